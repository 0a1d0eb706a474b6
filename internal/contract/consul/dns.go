package consul

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"
	"golang.org/x/net/dns/dnsmessage"
)

var names = []testCase{
	{"a name resolves to what is not critical", func(a *agent) {
		a.registerAt("1", "10.1.0.1", 4001, api.HealthPassing, "prod")
		a.registerAt("2", "10.1.0.2", 4002, api.HealthWarning)
		a.registerAt("3", "10.1.0.3", 4003, api.HealthCritical)
		a.registerAt("4", "2001:db8::1", 4004, api.HealthPassing)
		name := a.name + ".service.consul."
		got := a.ask(name, dnsmessage.TypeA)
		a.equal("addresses", got.values(got.Answers), "10.1.0.1 10.1.0.2")
		a.equal("flags", fmt.Sprint(got.Authoritative, got.RecursionAvailable, got.RecursionDesired, got.Truncated), "true false true false")
		a.equal("life", got.Answers[0].Header.TTL, uint32(0))
		six := a.ask(name, dnsmessage.TypeAAAA)
		a.equal("addresses", six.values(six.Answers), "2001:db8::1")
		anything := a.ask(name, dnsmessage.TypeALL)
		a.equal("addresses", anything.values(anything.Answers), "10.1.0.1 10.1.0.2 2001:db8::1")
		other := a.ask(name, dnsmessage.TypeMX)
		a.equal("nothing of that type", other.summary(), "Success 0 answers, 1 authority")
	}},
	{"a name with a tag resolves in both forms", func(a *agent) {
		a.registerAt("1", "10.1.0.1", 4001, api.HealthPassing, "Prod", "a.b")
		a.registerAt("2", "10.1.0.2", 4002, api.HealthPassing, "canary")
		for name, want := range map[string]string{
			"prod.%s.service.consul.": "10.1.0.1", "PROD.%s.Service.CONSUL.": "10.1.0.1", "a.b.%s.service.consul.": "10.1.0.1",
			"_%s._prod.service.consul.": "10.1.0.1", "_%s._tcp.service.consul.": "10.1.0.1 10.1.0.2",
			"%s.service.dc1.consul.": "10.1.0.1 10.1.0.2", "canary.%s.service.dc1.dc.consul.": "10.1.0.2",
		} {
			name = fmt.Sprintf(name, a.name)
			got := a.ask(name, dnsmessage.TypeA)
			a.equal(name, got.values(got.Answers), want)
			a.equal("name as asked", got.Answers[0].Header.Name.String(), name)
		}
	}},
	{"a name of nobody does not exist", func(a *agent) {
		a.registerAt("1", "10.1.0.1", 4001, api.HealthCritical)
		for _, name := range []string{
			"nobody.service.consul.", a.name + ".service.consul.", a.name + ".service.nowhere.consul.", a.name + ".consul.", "consul.",
			"service.consul.", "nobody.node.consul.", "zz.addr.consul.", "7f0000.addr.consul.", "x.7f000001.addr.consul.",
			"x.query.consul.", "none.consul.service.consul.", "consul.connect.consul.", "consul.service.x.y.consul.",
		} {
			got := a.ask(name, dnsmessage.TypeA)
			a.equal(name, got.summary(), "NameError 0 answers, 1 authority")
			soa, is := got.Authorities[0].Body.(*dnsmessage.SOAResource)
			a.equal("start of authority", is, true)
			a.equal("authority", fmt.Sprint(soa.NS, soa.MBox, soa.Refresh, soa.Retry, soa.Expire, soa.MinTTL), "ns.consul. hostmaster.consul. 3600 600 86400 0")
		}
		got := a.ask("example.com.", dnsmessage.TypeA)
		a.equal("another's name", got.summary(), "Refused 0 answers, 0 authority")
		a.equal("authoritative", got.Authoritative, false)
	}},
	{"ports, weights and targets are told by SRV", func(a *agent) {
		a.register(func(r *api.AgentServiceRegistration) {
			r.ID, r.Address, r.Port, r.Weights = a.name+"-1", "10.1.0.1", 4001, &api.AgentWeights{Passing: 10, Warning: 2}
			r.Tags, r.Check = []string{"prod"}, &api.AgentServiceCheck{TTL: "10m", Status: api.HealthPassing}
		})
		a.register(func(r *api.AgentServiceRegistration) {
			r.ID, r.Address, r.Port, r.Weights = a.name+"-2", "2001:db8::1", 4002, &api.AgentWeights{Passing: 10, Warning: 2}
			r.Check = &api.AgentServiceCheck{TTL: "10m", Status: api.HealthWarning}
		})
		a.register(func(r *api.AgentServiceRegistration) { r.ID, r.Address, r.Port = a.name+"-3", "", 4003 })
		node := a.nodeName() + ".node.dc1.consul."
		const four, six = "0a010001.addr.dc1.consul.", "20010db8000000000000000000000001.addr.dc1.consul."
		name := a.name + ".service.consul."
		got := a.exchange(a.question(name, dnsmessage.TypeSRV, 4096), "udp") // in 512 bytes a target's address may have to go
		a.equal("records", got.values(got.Answers), list("1 10 4001 "+four, "1 2 4002 "+six, "1 1 4003 "+node))
		a.equal("targets", got.addressesBeside(), list(four+" 10.1.0.1", six+" 2001:db8::1", node+" 127.0.0.1"))
		for _, form := range []string{"prod.%s.service.consul.", "_%s._prod.service.consul.", "_%s._prod.consul.", "_%s._prod.service.dc1.consul."} {
			tagged := a.ask(fmt.Sprintf(form, a.name), dnsmessage.TypeSRV)
			a.equal(form, tagged.values(tagged.Answers), "1 10 4001 "+four)
		}
		for target, want := range map[string]string{four: "10.1.0.1", node: "127.0.0.1"} {
			got := a.ask(target, dnsmessage.TypeA)
			a.equal(target, got.values(got.Answers), want)
		}
		literal := a.ask(six, dnsmessage.TypeAAAA)
		a.equal(six, literal.values(literal.Answers), "2001:db8::1")
		literal = a.ask(six, dnsmessage.TypeA)
		a.equal("of the other family", literal.summary()+" "+literal.addressesBeside(), "Success 0 answers, 0 authority "+six+" 2001:db8::1")
	}},
	{"an address that is a name is an alias", func(a *agent) {
		a.registerAt("1", "db.example.com", 5432, api.HealthPassing)
		name := a.name + ".service.consul."
		got := a.ask(name, dnsmessage.TypeA)
		a.equal("alias", got.values(got.Answers), "db.example.com.")
		got = a.ask(name, dnsmessage.TypeSRV)
		a.equal("port", got.values(got.Answers), "1 1 5432 db.example.com.")
		a.equal("beside", got.addressesBeside(), "")
		a.registerAt("2", "consul.service.consul", 5433, api.HealthPassing)
		a.must(a.client.Agent().ServiceDeregister(a.name + "-1"))
		a.awaitGone(a.name + "-1")
		got = a.ask(name, dnsmessage.TypeA)
		a.equal("alias within", got.values(got.Answers), "127.0.0.1 consul.service.consul.")
		got = a.ask(name, dnsmessage.TypeSRV)
		a.equal("port within", got.values(got.Answers), "1 1 5433 consul.service.consul.")
		a.equal("beside", got.addressesBeside(), "consul.service.consul. 127.0.0.1")
		a.registerAt("3", "10.1.0.3", 5434, api.HealthPassing)
		got = a.ask(name, dnsmessage.TypeA)
		a.equal("an address before an alias", got.values(got.Answers), "10.1.0.3")
	}},
	{"each address and each port is told once", func(a *agent) {
		a.registerAt("1", "10.1.0.1", 4001, api.HealthPassing)
		a.registerAt("2", "10.1.0.1", 4002, api.HealthPassing)
		a.registerAt("3", "10.1.0.1", 4002, api.HealthPassing)
		got := a.ask(a.name+".service.consul.", dnsmessage.TypeA)
		a.equal("addresses", got.values(got.Answers), "10.1.0.1")
		got = a.ask(a.name+".service.consul.", dnsmessage.TypeSRV)
		a.equal("records", len(got.Answers), 2)
	}},
	{"a datagram is cut without a word", func(a *agent) {
		const all = 60
		for i := range all {
			a.registerAt(fmt.Sprint(i), fmt.Sprintf("10.1.0.%d", i), 4000+i, api.HealthPassing)
		}
		name := a.name + ".service.consul."
		for _, kind := range []dnsmessage.Type{dnsmessage.TypeA, dnsmessage.TypeSRV} {
			got := a.ask(name, kind)
			a.equal("answers without an offer", len(got.Answers), 3)
			a.equal("said to be cut", got.Truncated, false)
			got = a.exchange(a.question(name, kind, 512), "udp")
			a.equal("answers to 512 bytes", len(got.Answers), 3)
			got = a.exchange(a.question(name, kind, 65535), "udp")
			a.equal("answers to a large offer", len(got.Answers), all)
			got = a.exchange(a.question(name, kind, 0), "tcp")
			a.equal("answers over TCP", len(got.Answers), all)
		}
		got := a.exchange(a.question(name, dnsmessage.TypeSRV, 1232), "udp")
		if len(got.Answers) <= 3 || len(got.Answers) >= all || got.size > 1232 || got.Truncated {
			a.Fatalf("%d answers in %d bytes, truncated %v; want some in 1232", len(got.Answers), got.size, got.Truncated)
		}
		a.equal("targets beside", len(got.Additionals), len(got.Answers))
	}},
	{"a node resolves by its name, with what is known of it", func(a *agent) {
		for _, name := range []string{a.nodeName() + ".node.consul.", strings.ToUpper(a.nodeName()) + ".node.dc1.consul."} {
			got := a.ask(name, dnsmessage.TypeA)
			a.equal("address", got.values(got.Answers), "127.0.0.1")
			a.equal("metadata", got.values(got.Additionals), "consul-network-segment= consul-version=1.19.2")
			got = a.ask(name, dnsmessage.TypeTXT)
			a.equal("metadata", got.values(got.Answers), "consul-network-segment= consul-version=1.19.2")
			got = a.ask(name, dnsmessage.TypeAAAA)
			a.equal("other family", got.summary(), "Success 0 answers, 0 authority")
			got = a.ask(name, dnsmessage.TypeSRV)
			a.equal("ports", got.summary(), "Success 0 answers, 0 authority")
		}
	}},
	{"addresses resolve to the node or to a service", func(a *agent) {
		a.registerAt("1", "10.99.0.1", 4001, api.HealthPassing)
		for name, want := range map[string]string{
			"1.0.0.127.in-addr.arpa.": a.nodeName() + ".node.dc1.consul.", "1.0.99.10.in-addr.arpa.": a.name + ".service.dc1.consul.",
		} {
			got := a.ask(name, dnsmessage.TypePTR)
			a.equal(name, got.values(got.Answers), want)
		}
		got := a.ask("9.9.9.9.in-addr.arpa.", dnsmessage.TypePTR)
		a.equal("nobody's", got.summary(), "NameError 0 answers, 1 authority")
	}},
	{"the zone names its server", func(a *agent) {
		node := a.nodeName() + ".node.dc1.consul."
		got := a.ask("consul.", dnsmessage.TypeNS)
		a.equal("server", got.values(got.Answers)+" "+got.addressesBeside(), node+" "+node+" 127.0.0.1")
		got = a.ask("consul.", dnsmessage.TypeSOA)
		a.equal("authority", got.summary(), "Success 1 answers, 1 authority")
	}},
	{"a message with no question is malformed", func(a *agent) {
		got := a.exchange(dnsmessage.Message{Header: dnsmessage.Header{ID: 7}}, "udp")
		a.equal("answer", got.summary(), "FormatError 0 answers, 0 authority")
	}},
	{"the agent tells where its DNS is", func(a *agent) {
		self, err := a.client.Agent().Self()
		a.must(err)
		_, port, err := net.SplitHostPort(a.target.DNS)
		a.must(err)
		a.equal("port", fmt.Sprint(self["DebugConfig"]["DNSPort"]), port)
		a.equal("addresses", fmt.Sprint(self["DebugConfig"]["DNSAddrs"]), fmt.Sprintf("[tcp://%[1]s udp://%[1]s]", a.target.DNS))
		a.equal("domain", self["DebugConfig"]["DNSDomain"], any("consul."))
	}},
}

// registerAt registers an instance of the case's service, and waits until it is told.
func (a *agent) registerAt(id, address string, port int, status string, tags ...string) {
	a.Helper()
	a.register(func(r *api.AgentServiceRegistration) {
		r.ID, r.Address, r.Port, r.Tags = a.name+"-"+id, address, port, tags
		r.Check = &api.AgentServiceCheck{TTL: "10m", Status: status}
	})
	a.await("the instance", func(got []*api.ServiceEntry) bool { return slices.Contains(strings.Fields(ids(got)), a.name+"-"+id) })
}

func (a *agent) awaitGone(id string) {
	a.Helper()
	a.await("the instance to go", func(got []*api.ServiceEntry) bool { return !slices.Contains(strings.Fields(ids(got)), id) })
}

// named is a reply of the DNS interface.
type named struct {
	dnsmessage.Message

	size int
}

// ask asks over UDP.
func (a *agent) ask(name string, kind dnsmessage.Type) named {
	a.Helper()
	return a.exchange(a.question(name, kind, 0), "udp")
}

// question offers to take replies of size bytes, or says nothing of it for 0.
func (a *agent) question(name string, kind dnsmessage.Type, size uint16) dnsmessage.Message {
	a.Helper()
	asked, err := dnsmessage.NewName(name)
	a.must(err)
	message := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: 7, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: asked, Type: kind, Class: dnsmessage.ClassINET}},
	}
	if size > 0 {
		opt := dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName("."), Class: dnsmessage.Class(size)}
		message.Additionals = []dnsmessage.Resource{{Header: opt, Body: &dnsmessage.OPTResource{}}}
	}
	return message
}

func (a *agent) exchange(message dnsmessage.Message, network string) named {
	a.Helper()
	packed, err := message.Pack()
	a.must(err)
	ctx, cancel := context.WithTimeout(a.Context(), patience)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, network, a.target.DNS)
	a.must(err)
	defer func() { _ = conn.Close() }() // the reply is in
	a.must(conn.SetDeadline(time.Now().Add(patience)))
	buffer := make([]byte, 65535)
	if network == "tcp" {
		packed = append(binary.BigEndian.AppendUint16(nil, uint16(len(packed))), packed...)
	}
	_, err = conn.Write(packed)
	a.must(err)
	if network == "tcp" {
		_, err = io.ReadFull(conn, buffer[:2])
		a.must(err)
		buffer = buffer[:binary.BigEndian.Uint16(buffer)]
		_, err = io.ReadFull(conn, buffer)
		a.must(err)
	} else {
		n, err := conn.Read(buffer)
		a.must(err)
		buffer = buffer[:n]
	}
	got := named{size: len(buffer)}
	a.must(got.Unpack(buffer))
	a.equal("id of the reply", got.ID, message.ID)
	return got
}

func (n named) summary() string {
	code := strings.TrimPrefix(n.RCode.String(), "RCode")
	return fmt.Sprintf("%s %d answers, %d authority", code, len(n.Answers), len(n.Authorities))
}

// values are the records' own, sorted.
func (n named) values(records []dnsmessage.Resource) string {
	var out []string
	for _, r := range records {
		out = append(out, value(r.Body))
	}
	return list(out...)
}

// addressesBeside are the additional records that are addresses, each once.
func (n named) addressesBeside() string {
	var out []string
	for _, r := range n.Additionals {
		switch r.Body.(type) {
		case *dnsmessage.AResource, *dnsmessage.AAAAResource:
			out = append(out, r.Header.Name.String()+" "+value(r.Body))
		}
	}
	return list(out...)
}

func list(items ...string) string {
	slices.Sort(items)
	return strings.Join(slices.Compact(items), " ")
}

func value(body dnsmessage.ResourceBody) string {
	switch body := body.(type) {
	case *dnsmessage.AResource:
		return netip.AddrFrom4(body.A).String()
	case *dnsmessage.AAAAResource:
		return netip.AddrFrom16(body.AAAA).String()
	case *dnsmessage.SRVResource:
		return fmt.Sprintf("%d %d %d %s", body.Priority, body.Weight, body.Port, body.Target)
	case *dnsmessage.CNAMEResource:
		return body.CNAME.String()
	case *dnsmessage.NSResource:
		return body.NS.String()
	case *dnsmessage.PTRResource:
		return body.PTR.String()
	case *dnsmessage.TXTResource:
		return strings.Join(body.TXT, "")
	}
	return fmt.Sprintf("%T", body)
}
