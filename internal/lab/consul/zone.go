package consul

import (
	"encoding/hex"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// The names that Consul's DNS answers to, https://developer.hashicorp.com/consul/docs/services/discovery/dns-overview.
// What is not in it is what the lab has none of: prepared queries, the mesh, peers and tenants.

const (
	domain         = "consul."
	chain          = 3 // how many names in a row are followed
	typeAny        = dnsmessage.TypeALL
	typeAXFR       = dnsmessage.TypeAXFR
	reverseIPv4    = ".in-addr.arpa."
	reverseIPv6    = ".ip6.arpa."
	serversDefault = "ns." + domain
)

var root = dnsmessage.MustNewName(".")

// zoneAnswer is what is known of a name.
type zoneAnswer struct {
	rcode                     dnsmessage.RCode
	foreign                   bool // the name is of another's domain
	answers, authority, extra []dnsmessage.Resource
}

// question is a name split up.
type question struct {
	name  string // as asked, with the dot at its end
	kind  dnsmessage.Type
	zone  string // the domain as asked: "consul." or "CONSUL."
	depth int    // how many more names may be followed
}

// resolve answers a question. The caller holds the store's mutex.
func (s *Server) resolve(asked dnsmessage.Question) zoneAnswer {
	name := asked.Name.String()
	lower := strings.ToLower(name)
	q := question{name: name, kind: asked.Type, depth: chain}
	switch {
	case strings.HasSuffix(lower, reverseIPv4), strings.HasSuffix(lower, reverseIPv6):
		return s.reverse(q, lower)
	case lower != domain && !strings.HasSuffix(lower, "."+domain):
		return zoneAnswer{rcode: dnsmessage.RCodeRefused, foreign: true}
	}
	q.zone = name[len(name)-len(domain):]
	switch q.kind {
	case dnsmessage.TypeSOA:
		ns := s.servers(q)
		ns.answers, ns.authority = []dnsmessage.Resource{authority()}, ns.answers
		return ns
	case dnsmessage.TypeNS:
		return s.servers(q)
	case typeAXFR:
		return zoneAnswer{rcode: dnsmessage.RCodeNotImplemented}
	}
	return s.lookup(q)
}

func noName() zoneAnswer {
	return zoneAnswer{rcode: dnsmessage.RCodeNameError, authority: []dnsmessage.Resource{authority()}}
}

// lookup finds the label that says what kind of thing the name is; it is the last of its kind. What is before it names
// the thing and what is after it the datacenter. In a question for SRV the label "service" may be left out.
func (s *Server) lookup(q question) zoneAnswer {
	labels := strings.Split(strings.TrimSuffix(strings.ToLower(strings.TrimSuffix(q.name, q.zone)), "."), ".")
	for i, label := range slices.Backward(labels) {
		switch before, after := labels[:i], labels[i+1:]; {
		case label == "addr":
			return q.literal(before)
		case label == "connect", label == "ingress", label == "query":
			return noName()
		case label == "virtual":
			return zoneAnswer{}
		case label == "service":
			return s.here(after, func() zoneAnswer { return s.service(q, before) })
		case label == "node":
			return s.here(after, func() zoneAnswer { return s.node(q, strings.Join(before, ".")) })
		case q.kind == dnsmessage.TypeSRV && strings.HasPrefix(label, "_"):
			return s.here(after, func() zoneAnswer { return s.service(q, labels[:i+1]) })
		}
	}
	return noName()
}

// here looks in this datacenter if that is the one which is meant.
func (s *Server) here(suffix []string, look func() zoneAnswer) zoneAnswer {
	if len(suffix) == 2 && suffix[1] == "dc" {
		suffix = suffix[:1]
	}
	if len(suffix) > 1 || len(suffix) == 1 && suffix[0] != s.options.Datacenter {
		return noName()
	}
	return look()
}

func (s *Server) nodeIP() netip.Addr { return netip.MustParseAddr(s.store.node.Address) }

func (s *Server) nodeName(zone string) string {
	return s.store.node.Node + ".node." + s.options.Datacenter + "." + zone
}

// follow resolves another name as far as this zone reaches.
func (s *Server) follow(q question, name string) []dnsmessage.Resource {
	lower := strings.ToLower(name)
	if q.depth == 0 || !strings.HasSuffix(lower, "."+domain) {
		return nil
	}
	found := s.lookup(question{name: name, kind: typeAny, zone: name[len(name)-len(domain):], depth: q.depth - 1})
	return slices.DeleteFunc(found.answers, func(r dnsmessage.Resource) bool {
		_, is := r.Body.(*dnsmessage.TXTResource)
		return is
	})
}

// node answers for a node by its name, with its metadata beside.
func (s *Server) node(q question, name string) zoneAnswer {
	known := []dnsmessage.Type{typeAny, dnsmessage.TypeA, dnsmessage.TypeAAAA, dnsmessage.TypeTXT}
	switch {
	case name == "":
		return noName()
	case !slices.Contains(known, q.kind):
		return zoneAnswer{}
	case !strings.EqualFold(name, s.store.node.Node):
		return noName()
	}
	var found zoneAnswer
	if ip := s.nodeIP(); q.kind != dnsmessage.TypeTXT && answers(q.kind, ip) {
		found.answers = append(found.answers, addressRecord(q.name, ip))
	}
	if meta := s.nodeMeta(q.name); q.kind == typeAny || q.kind == dnsmessage.TypeTXT {
		found.answers = append(found.answers, meta...)
	} else {
		found.extra = meta
	}
	return found
}

func (s *Server) nodeMeta(name string) []dnsmessage.Resource {
	var out []dnsmessage.Resource
	for _, key := range slices.Sorted(maps.Keys(s.store.node.Meta)) {
		out = append(out, resource(name, &dnsmessage.TXTResource{TXT: []string{key + "=" + s.store.node.Meta[key]}}))
	}
	return out
}

// literal answers for an address written in hexadecimal digits.
func (q question) literal(labels []string) zoneAnswer {
	if len(labels) != 1 {
		return noName()
	}
	digits, err := hex.DecodeString(labels[0])
	ip, ok := netip.AddrFromSlice(digits)
	if err != nil || !ok {
		return noName()
	}
	record := []dnsmessage.Resource{addressRecord(strings.ToLower(strings.TrimSuffix(q.name, q.zone))+q.zone, ip)}
	if q.kind != dnsmessage.TypeTXT && answers(q.kind, ip) && q.kind != dnsmessage.TypeSRV {
		return zoneAnswer{answers: record}
	}
	return zoneAnswer{extra: record}
}

// servers names the one name server there is.
func (s *Server) servers(q question) zoneAnswer {
	name := strings.ToLower(s.nodeName(q.zone))
	return zoneAnswer{
		answers: []dnsmessage.Resource{resource(q.zone, &dnsmessage.NSResource{NS: dnsName(name)})},
		extra:   []dnsmessage.Resource{addressRecord(name, s.nodeIP())},
	}
}

// reverse names the node, or else a service, that has the address.
func (s *Server) reverse(q question, lower string) zoneAnswer {
	pointer := func(name string) zoneAnswer {
		return zoneAnswer{answers: []dnsmessage.Resource{resource(q.name, &dnsmessage.PTRResource{PTR: dnsName(name)})}}
	}
	if reverseName(s.nodeIP()) == lower {
		return pointer(s.nodeName(domain))
	}
	for _, id := range slices.Sorted(maps.Keys(s.store.services)) {
		svc := s.store.services[id]
		if ip, err := netip.ParseAddr(svc.Address); err == nil && reverseName(ip) == lower {
			return pointer(svc.Service + ".service." + s.options.Datacenter + "." + domain)
		}
	}
	return noName()
}

func reverseName(ip netip.Addr) string {
	var name strings.Builder
	for _, octet := range slices.Backward(ip.AsSlice()) {
		if ip.Is4() {
			name.WriteString(strconv.Itoa(int(octet)) + ".")
			continue
		}
		digits := hex.EncodeToString([]byte{octet})
		name.WriteString(digits[1:] + "." + digits[:1] + ".")
	}
	if ip.Is4() {
		return strings.TrimSuffix(name.String(), ".") + reverseIPv4
	}
	return strings.TrimSuffix(name.String(), ".") + reverseIPv6
}

// answers tells whether an address is an answer to that type of question; to TXT it is, as on a real agent.
func answers(kind dnsmessage.Type, ip netip.Addr) bool {
	switch kind {
	case dnsmessage.TypeA:
		return ip.Is4()
	case dnsmessage.TypeAAAA:
		return ip.Is6()
	case typeAny, dnsmessage.TypeSRV, dnsmessage.TypeTXT:
		return true
	}
	return false
}

func authority() dnsmessage.Resource {
	return resource(domain, &dnsmessage.SOAResource{
		NS: dnsName(serversDefault), MBox: dnsName("hostmaster." + domain),
		Serial: uint32(time.Now().Unix()), Refresh: 3600, Retry: 600, Expire: 86400,
	})
}

func addressRecord(name string, ip netip.Addr) dnsmessage.Resource {
	if ip.Is4() {
		return resource(name, &dnsmessage.AResource{A: ip.As4()})
	}
	return resource(name, &dnsmessage.AAAAResource{AAAA: ip.As16()})
}

// resource is a record that must not be kept: a stock agent gives every record a life of 0 s.
func resource(name string, body dnsmessage.ResourceBody) dnsmessage.Resource {
	header := dnsmessage.ResourceHeader{Name: dnsName(name), Class: dnsmessage.ClassINET}
	return dnsmessage.Resource{Header: header, Body: body}
}

// dnsName is the name on the wire; one that is too long for it becomes the root.
func dnsName(name string) dnsmessage.Name {
	out, err := dnsmessage.NewName(name)
	if err != nil {
		return root
	}
	return out
}

func fqdn(name string) string { return strings.TrimSuffix(name, ".") + "." }
