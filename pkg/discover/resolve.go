package discover

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// ResolveOptions say what is looked up, and where. The zero value is good.
type ResolveOptions struct {
	Tag    string // only instances with it; DNS knows one tag at a time
	Health Health // of the instances that the API is asked for: Passing (default), Warning or Any
	// Datacenter is looked up; default the client's, else the agent's own.
	Datacenter string
	// Server is host:port of the DNS server; default the agent's host with the port that the agent says it serves DNS
	// on, else DefaultDNSPort.
	Server string
}

// DefaultDNSPort is where agents serve DNS out of the box.
const DefaultDNSPort = 8600

// Resolution is what Consul's API and DNS say of a service, side by side.
type Resolution struct {
	Service    string `json:"service"`
	Tag        string `json:"tag,omitempty"`
	Datacenter string `json:"datacenter,omitempty"`
	Server     string `json:"server"` // of DNS, as host:port
	// Answers are those of DNS: to the name over UDP and TCP, and to its form by RFC 2782 over TCP.
	Answers []DNSAnswer `json:"answers"`
	// Places are where the service is, by the API or DNS, in the order of their addresses.
	Places []Place `json:"places"`
	// Differences are where they disagree; none is how it should be.
	Differences []Difference `json:"differences"`
}

// Place is an address and port that the API or DNS gives.
type Place struct {
	Address string `json:"address"`
	Port    int    `json:"port"`
	InAPI   bool   `json:"in_api"`
	InDNS   bool   `json:"in_dns"`
	// Instance is what is registered there, also when the API leaves it out; empty when nothing is.
	Instance string `json:"instance,omitempty"`
	Health   Health `json:"health,omitempty"`
}

// HostPort is the place as host:port; IPv6 is bracketed.
func (p Place) HostPort() string { return net.JoinHostPort(p.Address, strconv.Itoa(p.Port)) }

// DifferenceKind says how the API and DNS disagree.
type DifferenceKind string

// The kinds of differences.
const (
	DNSOnly        DifferenceKind = "dns_only"        // DNS gives a place that the API does not
	APIOnly        DifferenceKind = "api_only"        // the API gives a place that DNS does not
	AddressDiffers DifferenceKind = "address_differs" // DNS gives an instance another address
	PortDiffers    DifferenceKind = "port_differs"    // DNS gives an instance another port
	UDPCut         DifferenceKind = "udp_cut"         // an answer over UDP is incomplete and does not say so
	FormDiffers    DifferenceKind = "form_differs"    // the name's form by RFC 2782 has another answer
)

// Difference is one disagreement.
type Difference struct {
	Kind  DifferenceKind `json:"kind"`
	Place string         `json:"place,omitempty"` // host:port, by the API when it gives it
	Why   string         `json:"why,omitempty"`   // where it can be known
	// Sentence is all of it in words: one line without control characters.
	Sentence string `json:"sentence"`
}

func (d Difference) words() string {
	text := map[DifferenceKind]string{
		DNSOnly: "DNS alone gives " + d.Place, APIOnly: "the API alone gives " + d.Place,
		AddressDiffers: "DNS gives another address for " + d.Place, PortDiffers: "DNS gives another port for " + d.Place,
		UDPCut: "the answer over UDP is cut and does not say so", FormDiffers: "the form of RFC 2782 has another answer",
	}[d.Kind]
	if d.Why != "" {
		text += ": " + d.Why
	}
	return text
}

// Resolve asks Consul's API and its DNS interface where a service is, and compares. When both agree that it is nowhere,
// that is an *UnknownServiceError or a *NoInstanceError, as from [Client.Instances]; other errors are *RequestError and
// *DNSError.
func (c *Client) Resolve(ctx context.Context, name string, o ResolveOptions) (Resolution, error) {
	query := Query{Health: o.Health, Datacenter: o.Datacenter}
	if o.Tag != "" {
		query.Tags = []string{o.Tag}
	}
	known, unknown := c.Explain(ctx, name, query, ExplainOptions{})
	if unknown != nil && !errors.Is(unknown, ErrNoInstance) {
		return Resolution{}, unknown
	}
	settings := c.dnsSettings(ctx)
	if o.Server == "" {
		o.Server = net.JoinHostPort(c.agentHost(), strconv.Itoa(settings.port))
	}
	datacenter := c.datacenterOf(query)
	r := Resolution{Service: name, Tag: o.Tag, Datacenter: datacenter, Server: o.Server, Differences: []Difference{}}
	var err error
	if r.Answers, err = askDNS(ctx, o.Server, settings.names(name, o.Tag, c.suffix(datacenter))); err != nil {
		return Resolution{}, err
	}
	comparison{Resolution: &r, known: known, query: query, settings: settings}.run()
	switch {
	case len(r.Places) > 0:
		return r, nil
	case unknown != nil:
		return Resolution{}, unknown
	}
	return Resolution{}, &NoInstanceError{Service: name, Query: query, Known: known}
}

// The order of Resolution.Answers.
const (
	answerUDP = iota
	answerTCP
	answerForm
)

// askDNS asks for the plain name over UDP and TCP and for its form by RFC 2782 over TCP.
func askDNS(ctx context.Context, server string, names [2]string) ([]DNSAnswer, error) {
	var answers []DNSAnswer
	for _, q := range []struct{ transport, name string }{{overUDP, names[0]}, {overTCP, names[0]}, {overTCP, names[1]}} {
		answer, err := dnsServer(server).srv(ctx, q.transport, q.name)
		if err != nil {
			return nil, err
		}
		answers = append(answers, answer)
	}
	return answers, nil
}

// agentHost is the agent's, as it is configured; its DNS interface is looked for there.
func (c *Client) agentHost() string {
	where, err := parseAddress(c.address)
	if err != nil || where.socket != "" {
		return "127.0.0.1"
	}
	return where.hostname()
}

// dnsSettings are the agent's own for DNS (dns_config and ports.dns of its configuration).
type dnsSettings struct {
	port        int
	domain      string // with the dot at its end
	onlyPassing bool   // instances that warn are left out too
	truncates   bool   // answers that are cut say so
}

// dnsSettings asks the agent, which may refuse; then its settings are taken to be the stock ones.
func (c *Client) dnsSettings(ctx context.Context) dnsSettings {
	settings := dnsSettings{port: DefaultDNSPort, domain: "consul."}
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	self, err := c.self(ctx)
	if err != nil {
		return settings
	}
	told := self.DebugConfig
	if told.DNSPort > 0 {
		settings.port = told.DNSPort
	}
	if told.DNSDomain != "" {
		settings.domain = strings.TrimSuffix(told.DNSDomain, ".") + "."
	}
	settings.onlyPassing, settings.truncates = told.DNSOnlyPassing, told.DNSEnableTruncate
	return settings
}

// suffix says in a name of DNS where a service is looked for; empty is where the agent is. The forms are those of
// https://developer.hashicorp.com/consul/docs/reference/dns.
func (c *Client) suffix(datacenter string) string {
	suffix := ""
	if c.namespace != "" {
		suffix += c.namespace + ".ns."
	}
	if c.partition != "" {
		suffix += c.partition + ".ap."
	}
	switch {
	case datacenter == "":
		return suffix
	case suffix == "":
		return datacenter + "."
	}
	return suffix + datacenter + ".dc."
}

// names are the service's in DNS: the plain one, and the form of RFC 2782, in which _tcp stands for no tag.
func (s dnsSettings) names(service, tag, suffix string) [2]string {
	end := ".service." + suffix + s.domain
	if tag == "" {
		return [2]string{service + end, "_" + service + "._tcp" + end}
	}
	return [2]string{tag + "." + service + end, "_" + service + "._" + tag + end}
}

// undiscoverable is what Consul says of names that it warns about at registration.
var undiscoverable = regexp.MustCompile(`[^A-Za-z0-9-]`)

// sortPlaces puts places into the order of their addresses and ports.
func sortPlaces(places []Place) {
	slices.SortFunc(places, func(a, b Place) int { return strings.Compare(placeKey(a), placeKey(b)) })
}

func placeKey(p Place) string { return fmt.Sprintf("%s %05d", p.Address, p.Port) }
