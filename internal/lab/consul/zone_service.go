package consul

import (
	"encoding/hex"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/consul/api"
	"golang.org/x/net/dns/dnsmessage"
)

// service answers for [tag.]name and, by RFC 2782, for _name._tag, where the tag "tcp" stands for any.
func (s *Server) service(q question, labels []string) zoneAnswer {
	if len(labels) == 0 {
		return noName()
	}
	last := len(labels) - 1
	name, tag := labels[last], strings.Join(labels[:last], ".")
	if len(labels) == 2 && strings.HasPrefix(labels[0], "_") && strings.HasPrefix(labels[1], "_") {
		name, tag = labels[0][1:], labels[1][1:]
		if tag == "tcp" {
			tag = ""
		}
	}
	instances := s.inDNS(name, tag)
	if len(instances) == 0 {
		return noName()
	}
	var found zoneAnswer
	if q.kind == dnsmessage.TypeSRV {
		found = s.ports(q, instances)
	} else {
		found = s.addresses(q, instances)
	}
	if len(found.answers) == 0 {
		found.authority = []dnsmessage.Resource{authority()}
	}
	return found
}

// inDNS returns, in any order, the instances with the tag of which no check is critical.
func (s *Server) inDNS(name, tag string) []*api.AgentService {
	instances := slices.DeleteFunc(s.store.instances(name), func(svc *api.AgentService) bool {
		return tag != "" && !hasAll(svc.Tags, []string{tag}) ||
			slices.ContainsFunc(s.store.checksOf(svc.ID), func(c *api.HealthCheck) bool { return c.Status == api.HealthCritical })
	})
	rand.Shuffle(len(instances), func(i, j int) { instances[i], instances[j] = instances[j], instances[i] }) //nolint:gosec // no secret is made of it
	return instances
}

// addresses answers with each address once, and with a canonical name only when there is no address.
func (s *Server) addresses(q question, instances []*api.AgentService) zoneAnswer {
	var found zoneAnswer
	var alias []dnsmessage.Resource
	seen := map[netip.Addr]bool{}
	for _, svc := range instances {
		ip, other := s.addressOf(svc, q.name)
		switch {
		case other != "" && alias == nil:
			alias = append([]dnsmessage.Resource{resource(q.name, &dnsmessage.CNAMEResource{CNAME: dnsName(other)})}, s.follow(q, other)...)
		case other == "" && !seen[ip] && answers(q.kind, ip):
			seen[ip] = true
			found.answers = append(found.answers, addressRecord(q.name, ip))
		}
	}
	if len(found.answers) == 0 {
		found.answers = alias
	}
	return found
}

// ports answers with SRV records and, beside them, with what their targets are.
func (s *Server) ports(q question, instances []*api.AgentService) zoneAnswer {
	var found zoneAnswer
	seen := map[string]bool{}
	for _, svc := range instances {
		place := svc.Address + " " + strconv.Itoa(svc.Port)
		if seen[place] {
			continue
		}
		seen[place] = true
		ip, target := s.addressOf(svc, q.name)
		if target != "" {
			found.extra = append(found.extra, s.follow(q, target)...)
		} else {
			target = s.targetOf(svc, ip, q)
			found.extra = append(found.extra, addressRecord(target, ip))
		}
		found.extra = append(found.extra, s.nodeMeta(s.nodeName(q.zone))...)
		found.answers = append(found.answers, resource(q.name, &dnsmessage.SRVResource{
			Priority: 1, Weight: s.weight(svc), Port: uint16(svc.Port), Target: dnsName(target),
		}))
	}
	return found
}

// addressOf is where an instance is: at an address, or at another name. One that gives the asked name itself, or none,
// is at its node's.
func (s *Server) addressOf(svc *api.AgentService, asked string) (ip netip.Addr, name string) {
	if ip, err := netip.ParseAddr(svc.Address); err == nil {
		return ip.Unmap(), ""
	}
	if svc.Address != "" && fqdn(svc.Address) != asked {
		return netip.Addr{}, fqdn(svc.Address)
	}
	return s.nodeIP(), ""
}

// targetOf names an address of the service's own by its digits, and the node's by the node's name.
func (s *Server) targetOf(svc *api.AgentService, ip netip.Addr, q question) string {
	if _, err := netip.ParseAddr(svc.Address); err != nil {
		return s.nodeName(q.zone)
	}
	return hex.EncodeToString(ip.AsSlice()) + ".addr." + s.options.Datacenter + "." + q.zone
}

func (s *Server) weight(svc *api.AgentService) uint16 {
	weight := svc.Weights.Passing
	if s.store.checksOf(svc.ID).AggregatedStatus() == api.HealthWarning {
		weight = svc.Weights.Warning
	}
	return uint16(weight)
}
