package gateway

import (
	"cmp"
	"slices"
)

// Severity says how bad a finding is.
type Severity string

// The severities. A note is no defect.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
	Note    Severity = "note"
)

// Finding is one thing to say about one place of a file.
type Finding struct {
	Rule     string   `json:"rule"`
	Severity Severity `json:"severity"`
	File     string   `json:"file"`
	Span     Span     `json:"span"`
	Message  string   `json:"message"`       // what is wrong, in one sentence
	Fix      string   `json:"fix,omitempty"` // what to do about it; may be empty
}

// Span is the text from Start to just before End.
type Span struct {
	Start Position `json:"start"`
	End   Position `json:"end"`
}

// Position is a place in a file. Offset counts bytes from 0; Line and Column count from 1, Column in bytes.
type Position struct {
	Offset int `json:"offset"`
	Line   int `json:"line"`
	Column int `json:"column"`
}

// Defects counts the findings that are not notes.
func Defects(findings []Finding) int {
	n := 0
	for _, f := range findings {
		if f.Severity != Note {
			n++
		}
	}
	return n
}

func sorted(findings []Finding) []Finding {
	slices.SortStableFunc(findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Span.Start.Offset, b.Span.Start.Offset), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Message, b.Message))
	})
	return slices.Compact(findings)
}

// The rules.
const (
	RuleSyntax         = "KONG_SYNTAX"           // it is YAML, once, with each key once
	RuleFormatVersion  = "KONG_FORMAT_VERSION"   // Kong wants _format_version
	RuleUnknownKey     = "KONG_UNKNOWN_KEY"      // Kong refuses keys that it does not know
	RuleType           = "KONG_TYPE"             // a value has its key's type and bounds
	RuleDuplicateName  = "KONG_DUPLICATE_NAME"   // names of services and of routes are unique
	RuleHostMissing    = "KONG_HOST_MISSING"     // a service has a host or a url
	RuleHostTwice      = "KONG_HOST_TWICE"       // a url overrides host, port, protocol and path
	RuleHostNotConsul  = "KONG_HOST_NOT_CONSUL"  // the host is one that Consul answers for
	RuleHostMalformed  = "KONG_HOST_MALFORMED"   // a name under .consul is one that Consul's DNS can answer
	RulePortIgnored    = "KONG_PORT_IGNORED"     // an SRV name brings the port
	RulePath           = "KONG_PATH"             // paths begin with a slash and go with the protocol
	RuleProtocol       = "KONG_PROTOCOL"         // protocols are known and go together
	RuleRetries        = "KONG_RETRIES"          // retries are few
	RuleTimeout        = "KONG_TIMEOUT"          // timeouts are milliseconds
	RuleRoutesMissing  = "KONG_ROUTES_MISSING"   // a service is reached by a route
	RuleRouteEmpty     = "KONG_ROUTE_EMPTY"      // a route matches something
	RuleRouteNoPaths   = "KONG_ROUTE_NO_PATHS"   // a route without paths takes every path
	RulePluginName     = "KONG_PLUGIN_NAME"      // a plugin has a name
	RulePluginNotStock = "KONG_PLUGIN_NOT_STOCK" // a plugin that does not come with Kong has to be installed
	RuleServiceMissing = "KONG_SERVICE_NAME_MISSING"
	RuleServiceDiffers = "KONG_SERVICE_DIFFERS" // host and plugin mean the same service
	RuleTagsDiffer     = "KONG_TAGS_DIFFER"     // host and plugin select by the same tags
	RuleServiceUnknown = "CONSUL_SERVICE_UNKNOWN"
	RuleNoInstance     = "CONSUL_NO_INSTANCE"
	RulePortOfNobody   = "CONSUL_PORT_OF_NOBODY"
)
