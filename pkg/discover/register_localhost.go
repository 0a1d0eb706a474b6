package discover

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
)

// LocalhostError is a finding: a registration at an agent of another machine names this one by a loopback address,
// which means that machine there.
type LocalhostError struct {
	Service string
	Field   string // "address" or "check 1"
	Value   string // what names the machine
	Agent   string // the agent's address
}

// Error says what would happen.
func (e *LocalhostError) Error() string {
	if e.Field == "address" {
		return fmt.Sprintf("registration of %s: callers on other machines would look for %s on their own", e.Service, e.Value)
	}
	return fmt.Sprintf("registration of %s: %s (%s) would run on the machine of the agent at %s, and ask that one; name this machine's address",
		e.Service, e.Field, e.Value, e.Agent)
}

// Localhost returns a finding for the address and for each check that name a loopback address, when the agent is not
// on this machine as far as its address tells.
func (c *Client) Localhost(r Registration) []*LocalhostError {
	if onThisMachine(c.address) {
		return nil
	}
	var found []*LocalhostError
	add := func(field, host, value string) {
		if isLoopback(host) {
			found = append(found, &LocalhostError{Service: r.Name, Field: field, Value: value, Agent: c.address})
		}
	}
	add("address", r.Address, r.Address)
	for i, check := range r.Checks {
		add(fmt.Sprintf("check %d", i+1), check.host(), check.target())
	}
	return found
}

// onThisMachine tells whether an address of Consul is of this machine. It looks nothing up.
func onThisMachine(text string) bool {
	where, err := parseAddress(text)
	if err != nil {
		return false
	}
	host := where.hostname()
	if name, err := os.Hostname(); where.socket != "" || isLoopback(host) || err == nil && strings.EqualFold(name, host) {
		return true
	}
	own, err := net.InterfaceAddrs()
	ip := net.ParseIP(host)
	return err == nil && ip != nil && slices.ContainsFunc(own, func(a net.Addr) bool {
		network, ok := a.(*net.IPNet)
		return ok && network.IP.Equal(ip)
	})
}

// isLoopback tells an address that leads nowhere but to the machine that asks.
func isLoopback(host string) bool {
	host = strings.Trim(host, "[]")
	return strings.EqualFold(host, "localhost") || strings.HasSuffix(strings.ToLower(host), ".localhost") || net.ParseIP(host).IsLoopback()
}
