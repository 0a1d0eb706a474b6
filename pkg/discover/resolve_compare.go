package discover

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// comparison fills the places and differences of a resolution whose answers are there.
type comparison struct {
	*Resolution
	known    []Explanation
	query    Query
	settings dnsSettings

	api    map[string]Explanation // by place
	inDNS  map[string]DNSRecord   // by place
	hidden map[string]Explanation // what the API knows and does not give, by place
}

func (c comparison) run() {
	c.api, c.hidden = map[string]Explanation{}, map[string]Explanation{}
	for _, e := range c.known {
		if e.Included() {
			c.api[placeOf(e.Instance)] = e
		} else {
			c.hidden[placeOf(e.Instance)] = e
		}
	}
	c.inDNS = c.placesIn(c.Answers[answerTCP])
	c.list()
	missing, extra := c.pair()
	for _, place := range missing {
		c.add(APIOnly, place, c.whyNotInDNS(c.api[place].Instance))
	}
	for _, place := range extra {
		c.add(DNSOnly, place, c.whyNotInAPI(place))
	}
	c.compareAnswers()
}

func (c comparison) add(kind DifferenceKind, place, why string) {
	d := Difference{Kind: kind, Place: place, Why: why}
	d.Sentence = oneLine(d.words())
	c.Differences = append(c.Differences, d)
}

func placeOf(i Instance) string {
	return net.JoinHostPort(canonicalHost(i.Address), strconv.Itoa(i.Port))
}

// canonicalHost is one form of an address or a name.
func canonicalHost(host string) string {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap().String()
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// placesIn are the places that an answer names. An instance may be registered by a name; then the record's target is
// that name, and its addresses are nobody's business here.
func (c comparison) placesIn(answer DNSAnswer) map[string]DNSRecord {
	out := map[string]DNSRecord{}
	for _, record := range answer.Records {
		port := strconv.Itoa(record.Port)
		named := net.JoinHostPort(canonicalHost(record.Target), port)
		_, given := c.api[named]
		_, withheld := c.hidden[named]
		if given || withheld || len(record.Addresses) == 0 {
			out[named] = record
			continue
		}
		for _, address := range record.Addresses {
			out[net.JoinHostPort(canonicalHost(address), port)] = record
		}
	}
	return out
}

// list makes the places.
func (c comparison) list() {
	all := maps.Clone(c.api)
	for place := range c.inDNS {
		if e, registered := c.hidden[place]; registered && all[place].Instance.ID == "" {
			all[place] = e
		} else if _, given := all[place]; !given {
			all[place] = Explanation{}
		}
	}
	c.Places = []Place{}
	for place, e := range all {
		host, port, _ := net.SplitHostPort(place) // made by JoinHostPort
		number, _ := strconv.Atoi(port)
		_, inAPI := c.api[place]
		_, inDNS := c.inDNS[place]
		c.Places = append(c.Places, Place{
			Address: host, Port: number, InAPI: inAPI, InDNS: inDNS, Instance: e.Instance.ID, Health: e.Instance.Health,
		})
	}
	sortPlaces(c.Places)
}

// pair tells the instances for which DNS gives another address or port, and returns the places that are left of each
// side. A pair is told only where no other could be meant.
func (c comparison) pair() (missing, extra []string) {
	for place := range c.api {
		if _, ok := c.inDNS[place]; !ok {
			missing = append(missing, place)
		}
	}
	for place := range c.inDNS {
		if _, ok := c.api[place]; !ok && c.hidden[place].Instance.ID == "" {
			extra = append(extra, place)
		}
	}
	slices.Sort(missing)
	slices.Sort(extra)
	missing, extra = c.pairBy(PortDiffers, hostOf, missing, extra)
	missing, extra = c.pairBy(AddressDiffers, portOf, missing, extra)
	for place := range c.inDNS {
		if _, ok := c.api[place]; !ok && c.hidden[place].Instance.ID != "" {
			extra = append(extra, place)
		}
	}
	slices.Sort(extra)
	return missing, extra
}

func hostOf(place string) string { host, _, _ := net.SplitHostPort(place); return host }
func portOf(place string) string { _, port, _ := net.SplitHostPort(place); return port }

func (c comparison) pairBy(kind DifferenceKind, same func(string) string, missing, extra []string) (restMissing, restExtra []string) {
	paired := map[string]bool{}
	for _, m := range missing {
		like := func(other string) bool { return same(other) == same(m) }
		if i := slices.IndexFunc(extra, like); i >= 0 && countWhere(extra, like) == 1 && countWhere(missing, like) == 1 {
			c.add(kind, m, c.whyElsewhere(c.api[m].Instance, extra[i]))
			paired[m], paired[extra[i]] = true, true
		}
	}
	gone := func(place string) bool { return paired[place] }
	return slices.DeleteFunc(missing, gone), slices.DeleteFunc(extra, gone)
}

func countWhere(list []string, which func(string) bool) int {
	n := 0
	for _, s := range list {
		if which(s) {
			n++
		}
	}
	return n
}

func (c comparison) whyElsewhere(i Instance, place string) string {
	why := "it gives " + place
	if host := hostOf(place); host == canonicalHost(i.NodeAddress) && host != canonicalHost(i.Address) {
		why += ", which is the node's address and not the service's"
	}
	return why
}

// whyNotInAPI says why DNS gives what the API does not.
func (c comparison) whyNotInAPI(place string) string {
	e, registered := c.hidden[place]
	switch {
	case !registered:
		return "nothing is registered there now; an answer may come from a cache (dns_config.use_cache, service_ttl)"
	case e.Instance.Health == Warning && !c.settings.onlyPassing:
		return "it warns, and DNS leaves out only what is critical unless dns_config.only_passing is set"
	}
	return strings.Join(e.Sentences(), "; ")
}

// whyNotInDNS says why the API gives what DNS does not, where that can be known.
func (c comparison) whyNotInDNS(i Instance) string {
	answer := c.Answers[answerTCP]
	switch {
	case answer.RCode != "NOERROR" && answer.RCode != "NXDOMAIN":
		return "DNS answered " + answer.RCode
	case undiscoverable.MatchString(c.Service):
		return fmt.Sprintf("the name %s has characters that names in DNS may not have", c.Service)
	case undiscoverable.MatchString(c.Tag):
		return fmt.Sprintf("the tag %s has characters that names in DNS may not have", c.Tag)
	case i.Health == Maintenance:
		return "it is in maintenance, and DNS leaves that out"
	case i.Health != Passing && i.Health != Warning:
		return fmt.Sprintf("it is %s, and DNS leaves that out", i.Health)
	case i.Health == Warning && c.settings.onlyPassing:
		return "it warns, and DNS leaves that out by dns_config.only_passing"
	case len(answer.Records) == 0:
		return "DNS gives none; it asks with the agent's own token (acl.tokens.dns), which may not read the service"
	case len(answer.Records) >= maxTCPRecords:
		return fmt.Sprintf("DNS gives %d and no more in one answer", len(answer.Records))
	}
	return ""
}

// maxTCPRecords is how many SRV records an agent puts into an answer over TCP at most: agent/dns.go of its source.
const maxTCPRecords = 1024

// compareAnswers tells where the answers of DNS differ from one another.
func (c comparison) compareAnswers() {
	over, whole, form := c.Answers[answerUDP], c.Answers[answerTCP], c.Answers[answerForm]
	if n := len(over.Records); n < len(whole.Records) && !over.Truncated {
		c.add(UDPCut, "", fmt.Sprintf("%d of %d; clients see a part, at random, unless dns_config.enable_truncate is set", n, len(whole.Records)))
	}
	if !maps.EqualFunc(c.placesIn(whole), c.placesIn(form), func(DNSRecord, DNSRecord) bool { return true }) {
		c.add(FormDiffers, "", fmt.Sprintf("%s %s with %d records, %s %s with %d",
			whole.Name, whole.RCode, len(whole.Records), form.Name, form.RCode, len(form.Records)))
	}
}
