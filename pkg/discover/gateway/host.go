package gateway

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Host is a name of Consul's DNS that stands for the instances of a service.
type Host struct {
	Service    string
	Tag        string // at most one; "" is any
	Datacenter string // "" is the agent's own
	SRV        bool   // in the form of RFC 2782, which only SRV records answer for any client
}

// ErrNotConsul is returned by ParseHost for names that are not under .consul.
var ErrNotConsul = errors.New("not a name of Consul's DNS")

const (
	domain   = ".consul"
	anyTag   = "tcp" // what Consul takes for any tag in the form of RFC 2782
	maxLabel = 63
)

// String is the name. It is not checked; Validate does that.
func (h Host) String() string {
	suffix := ".service"
	if h.Datacenter != "" {
		suffix += "." + h.Datacenter
	}
	switch tag := h.Tag; {
	case h.SRV && tag == "":
		return "_" + h.Service + "._" + anyTag + suffix + domain
	case h.SRV:
		return "_" + h.Service + "._" + tag + suffix + domain
	case tag != "":
		return tag + "." + h.Service + suffix + domain
	}
	return h.Service + suffix + domain
}

var label = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?$`)

// Validate returns an error when the name cannot be asked for.
func (h Host) Validate() error {
	longest := maxLabel
	if h.SRV {
		longest-- // the underscore
	}
	if !label.MatchString(h.Service) || len(h.Service) > longest {
		return fmt.Errorf("the service name %q is no label of a DNS name: letters, digits, - and _ inside, at most %d", h.Service, longest)
	}
	tags := strings.Split(h.Tag, ".")
	if h.Tag == "" {
		tags = nil
	}
	if h.SRV && (len(tags) > 1 || strings.EqualFold(h.Tag, anyTag)) {
		return fmt.Errorf("the tag %q cannot be asked for in the form of RFC 2782", h.Tag)
	}
	for _, tag := range tags {
		if !label.MatchString(tag) || len(tag) > longest {
			return fmt.Errorf("the tag %q is no label of a DNS name", h.Tag)
		}
	}
	return nil
}

// ParseHost reads the host of a Kong service: [tag.]name.service[.datacenter].consul or
// _name._tag.service[.datacenter].consul. Names are compared without regard to case, and a dot at the end is allowed. It
// fails with ErrNotConsul for other domains, and with another error for what Consul's DNS does not answer for.
func ParseHost(name string) (Host, error) {
	name = strings.TrimSuffix(name, ".")
	lower := strings.ToLower(name)
	if !strings.HasSuffix(lower, domain) {
		return Host{}, ErrNotConsul
	}
	labels := strings.Split(name[:len(name)-len(domain)], ".")
	at := -1
	for i, l := range labels {
		if strings.EqualFold(l, "service") {
			at = i // the last
		}
	}
	switch {
	case at < 0:
		return Host{}, fmt.Errorf("%q has no label \"service\": Consul answers for NAME.service.consul", name)
	case at == 0:
		return Host{}, fmt.Errorf("%q names no service", name)
	case len(labels)-at > 2:
		return Host{}, fmt.Errorf("%q has more than a datacenter behind \"service\"", name)
	}
	host := Host{Datacenter: strings.Join(labels[at+1:], ".")}
	before := labels[:at]
	last := len(before) - 1
	if last == 1 && strings.HasPrefix(before[0], "_") && strings.HasPrefix(before[1], "_") {
		host.SRV, host.Service, host.Tag = true, before[0][1:], before[1][1:]
		if strings.EqualFold(host.Tag, anyTag) {
			host.Tag = ""
		}
	} else {
		host.Service, host.Tag = before[last], strings.Join(before[:last], ".")
	}
	return host, host.Validate()
}
