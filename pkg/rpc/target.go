package rpc

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// Target is where a call goes: a discovered service or an address.
type Target struct {
	// Service is the name of a discovered service; Version and Tags narrow its
	// instances.
	Service string
	Version string
	Tags    []string
	// Address is host:port, dns:///host:port or unix:path when Service is empty.
	Address string
}

func (t Target) String() string {
	if t.Service != "" {
		return t.Service
	}
	return t.Address
}

// TargetError says why a text is no target.
type TargetError struct {
	Text   string
	Reason string
}

func (e *TargetError) Error() string { return fmt.Sprintf("%q is no target: %s", e.Text, e.Reason) }

// ParseTarget reads a target: the name of a service, consul:///name with the
// parameters version and tag, host:port, dns:///host:port, unix:path or
// unix:///path. Errors are [*TargetError].
func ParseTarget(text string) (Target, error) {
	bad := func(format string, args ...any) (Target, error) {
		return Target{}, &TargetError{Text: text, Reason: fmt.Sprintf(format, args...)}
	}
	scheme, rest, _ := strings.Cut(text, ":")
	switch {
	case text == "":
		return bad("it is empty")
	case strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return bad("it has a blank or a control character")
	case scheme == "consul":
		return parseConsul(text)
	case scheme == "unix" && strings.Trim(rest, "/") == "":
		return bad("the path of the socket is missing")
	case scheme == "dns" && strings.Trim(rest, "/") == "":
		return bad("the host is missing")
	case scheme == "unix", scheme == "dns":
		return Target{Address: text}, nil
	case strings.Contains(text, "://"):
		return bad("the scheme %s is not known; use host:port, and --tls or --plaintext", scheme)
	case net.ParseIP(text) != nil:
		return bad("the port is missing: use %s", net.JoinHostPort(text, "PORT"))
	case !strings.Contains(text, ":"):
		if strings.Contains(text, "/") {
			return bad("a service's name has no slash")
		}
		return Target{Service: text}, nil
	}
	if _, port, err := net.SplitHostPort(text); err != nil {
		return bad("%v", strings.TrimPrefix(err.Error(), "address "+text+": "))
	} else if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return bad("the port %q is not a number up to 65535", port)
	}
	return Target{Address: text}, nil
}

func parseConsul(text string) (Target, error) {
	u, err := url.Parse(text)
	if err != nil {
		return Target{}, &TargetError{Text: text, Reason: err.Error()}
	}
	name := strings.TrimPrefix(u.Path, "/")
	if u.Host != "" || name == "" || strings.Contains(name, "/") {
		return Target{}, &TargetError{Text: text, Reason: "use consul:///NAME?version=v1&tag=prod"}
	}
	target := Target{Service: name, Version: u.Query().Get("version"), Tags: u.Query()["tag"]}
	for key := range u.Query() {
		if key != "version" && key != "tag" {
			return Target{}, &TargetError{Text: text, Reason: fmt.Sprintf("the parameter %q is not known; version and tag are", key)}
		}
	}
	return target, nil
}
