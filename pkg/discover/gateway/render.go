package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
)

// Form is one of the two ways to tell Kong where a service is.
type Form string

// The forms.
const (
	Plugin Form = "spec" // the specification's: the plugin consul-discovery
	DNS    Form = "dns"  // stock Kong: SRV names of Consul's DNS
)

// Forms are all of them.
func Forms() []Form { return []Form{Plugin, DNS} }

// Service is what is said to Kong of one service.
type Service struct {
	Name     string   // in Consul, and of Kong's service
	Tags     []string // instances have all of them; DNS can tell one at most
	Protocol string   // http, https, grpc or grpcs; default http
	Port     int      // default 80, as the specification has it; the form DNS takes none: SRV records bring it
	Paths    []string // of a route to the service; without any there is no route
}

const (
	formatVersion   = "3.0"
	discoveryPlugin = "consul-discovery"
	defaultProtocol = "http"
	defaultPort     = 80
	httpsPort       = 443 // of a url
)

// ErrForm is returned by Render for a form that is none.
var ErrForm = errors.New("the form is none of spec, dns")

// Render writes a declarative configuration with the services in the order given. The same input gives the same bytes,
// and Check finds no defect in them. It fails when there is no service, a name is there twice, or a value cannot be
// told to Kong in that form, such as several tags by DNS.
func Render(form Form, services []Service) ([]byte, error) {
	if !slices.Contains(Forms(), form) {
		return nil, fmt.Errorf("render for Kong: %w: %q", ErrForm, form)
	}
	if len(services) == 0 {
		return nil, errors.New("render for Kong: no service is given")
	}
	var out strings.Builder
	out.WriteString(preface[form])
	out.WriteString("_format_version: \"" + formatVersion + "\"\nservices:\n")
	seen := map[string]bool{}
	for _, s := range services {
		if s.Protocol == "" {
			s.Protocol = defaultProtocol
		}
		if err := s.validate(form); err != nil {
			return nil, fmt.Errorf("render %s for Kong: %w", s.Name, err)
		}
		if seen[s.Name] {
			return nil, fmt.Errorf("render %s for Kong: it is given twice", s.Name)
		}
		seen[s.Name] = true
		s.write(&out, form)
	}
	return []byte(out.String()), nil
}

var preface = map[Form]string{
	Plugin: "# Kong comes with no plugin " + discoveryPlugin + ": it has to be installed and listed in Kong's setting \"plugins\".\n",
	DNS:    "# Kong's setting \"dns_resolver\" has to be Consul's DNS port, such as 127.0.0.1:8600.\n",
}

func (s Service) host(form Form) Host {
	host := Host{Service: s.Name, SRV: form == DNS}
	if form == DNS && len(s.Tags) > 0 {
		host.Tag = s.Tags[0]
	}
	return host
}

func (s Service) validate(form Form) error {
	if err := s.host(form).Validate(); err != nil {
		return err
	}
	switch {
	case !slices.Contains([]string{"http", "https", "grpc", "grpcs"}, s.Protocol):
		return fmt.Errorf("the protocol %q is none of http, https, grpc, grpcs", s.Protocol)
	case form == DNS && len(s.Tags) > 1:
		return fmt.Errorf("Consul's DNS selects by one tag, not by %s; the form spec takes several", strings.Join(s.Tags, ", ")) //nolint:staticcheck // a name
	case form == DNS && s.Port != 0:
		return errors.New("SRV records bring the port of each instance; none can be given")
	case s.Port < 0 || s.Port > math.MaxUint16:
		return fmt.Errorf("the port %d is not from 0 to %d", s.Port, math.MaxUint16)
	}
	if slices.Contains(s.Tags, "") {
		return errors.New("a tag is empty")
	}
	for _, path := range s.Paths {
		if !strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "~/") {
			return fmt.Errorf("the path %q does not begin with a slash", path)
		}
	}
	return nil
}

func (s Service) grpc() bool { return strings.HasPrefix(s.Protocol, "grpc") }

func (s Service) write(out *strings.Builder, form Form) {
	line := func(format string, a ...any) { _, _ = fmt.Fprintf(out, "    "+format+"\n", a...) }
	_, _ = fmt.Fprintf(out, "  - name: %s\n", scalar(s.Name))
	line("host: %s", scalar(s.host(form).String()))
	if form == Plugin {
		port := s.Port
		if port == 0 {
			port = defaultPort
		}
		line("port: %d", port)
	}
	line("protocol: %s", s.Protocol)
	if !s.grpc() {
		line("path: /")
	}
	if form == Plugin {
		line("plugins:")
		line("  - name: %s", discoveryPlugin)
		line("    config:")
		line("      service_name: %s", scalar(s.Name))
		if len(s.Tags) > 0 {
			line("      tags: %s", sequence(s.Tags))
		}
	}
	if len(s.Paths) == 0 {
		return
	}
	line("routes:")
	line("  - name: %s", scalar(s.Name))
	if s.grpc() {
		line("    protocols: [grpc, grpcs]")
		line("    strip_path: false")
	}
	line("    paths: %s", sequence(s.Paths))
}

func sequence(items []string) string {
	var out []string
	for _, item := range items {
		out = append(out, quoted(item))
	}
	return "[" + strings.Join(out, ", ") + "]"
}

var (
	plain    = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*$`)
	reserved = regexp.MustCompile(`^(?i:true|false|yes|no|on|off|y|n|null)$`)
)

// scalar is a text as YAML reads it back as a text.
func scalar(text string) string {
	if plain.MatchString(text) && !reserved.MatchString(text) {
		return text
	}
	return quoted(text)
}

// quoted is JSON's form of a text, which is YAML's, too.
func quoted(text string) string {
	out, err := json.Marshal(text)
	if err != nil { // a text always marshals
		return `""`
	}
	return string(out)
}
