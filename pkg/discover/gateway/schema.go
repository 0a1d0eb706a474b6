package gateway

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/suokelife/suokectl/pkg/spec"
)

// value says what may stand behind a key. Nothing (null) may, behind any.
type value struct {
	kind        kind
	least, most int // of a whole number
}

var (
	anyText    = value{kind: isText}
	anyBool    = value{kind: isBool}
	anyList    = value{kind: isList}
	anyMapping = value{kind: isMapping}
	anyInteger = value{kind: isInteger, least: math.MinInt32, most: math.MaxInt32}
	anything   = value{}
	portNumber = value{kind: isInteger, most: math.MaxUint16}
	timeout    = value{kind: isInteger, least: 1, most: math.MaxInt32 - 1}
)

// Kong's keys. Comments are read in every entity.
var (
	rootKeys = keys(anyList, "services", "routes", "plugins", "upstreams", "consumers", "consumer_groups", "certificates",
		"ca_certificates", "snis", "targets", "vaults", "keys", "key_sets", "filter_chains", "partials", "custom_entities",
		"acls", "basicauth_credentials", "hmacauth_credentials", "jwt_secrets", "keyauth_credentials", "oauth2_credentials",
		"mtls_auth_credentials", "licenses", "rbac_roles", "degraphql_routes").
		and(anyText, "_format_version", "_workspace").and(anyBool, "_transform").and(anyMapping, "_info", "_konnect", "_plugin_configs")

	serviceKeys = keys(anyText, "id", "name", "protocol", "host", "path", "url").
			and(anyList, "tags", "ca_certificates", "routes", "plugins", "filter_chains").and(anyBool, "tls_verify", "enabled").
			and(portNumber, "port").and(value{kind: isInteger, most: math.MaxInt16}, "retries").
			and(timeout, "connect_timeout", "write_timeout", "read_timeout").
			and(value{kind: isInteger, most: 64}, "tls_verify_depth").and(anyInteger, "created_at", "updated_at").
			and(anyMapping, "tls_sans").and(anything, "client_certificate")

	routeKeys = keys(anyText, "id", "name", "path_handling", "expression").
			and(anyList, "protocols", "methods", "hosts", "paths", "snis", "sources", "destinations", "tags", "plugins", "filter_chains").
			and(anyBool, "strip_path", "preserve_host", "request_buffering", "response_buffering").
			and(anyInteger, "regex_priority", "priority", "https_redirect_status_code", "created_at", "updated_at").
			and(anyMapping, "headers").and(anything, "service")

	pluginKeys = keys(anyText, "id", "name", "instance_name", "_config", "condition").and(anyMapping, "config", "ordering").
			and(anyBool, "enabled").and(anyList, "protocols", "tags", "partials").and(anyInteger, "created_at", "updated_at").
			and(anything, "service", "route", "consumer", "consumer_group")

	discoveryKeys = keys(anyText, "service_name").and(anyList, "tags")
)

type schema map[string]value

func keys(v value, names ...string) schema {
	return schema{"_comment": anyText, "_ignore": anything}.and(v, names...)
}

func (s schema) and(v value, names ...string) schema {
	for _, name := range names {
		s[name] = v
	}
	return s
}

// conform reports keys that are not in the schema and values that are not theirs. It tells whether n is a mapping.
func (c *checker) conform(n *node, what string, s schema) bool {
	if n.kind != isMapping {
		c.report(RuleType, Error, n.span, "", "%s is made of keys and values, not %s", what, n.describe())
		return false
	}
	for _, key := range n.keys {
		entry := n.pairs[key]
		want, known := s[key]
		switch {
		case !known:
			c.unknownKey(entry.key, what, key, s)
		default:
			c.typed(entry.value, what+"'s "+key, want)
		}
	}
	return true
}

func (c *checker) unknownKey(at Span, what, key string, s schema) {
	names := slices.Sorted(maps.Keys(s))
	fix := "remove it"
	if near := spec.Nearest(key, names); near != "" {
		fix = "did you mean " + near + "?"
	}
	c.report(RuleUnknownKey, Error, at, fix, "%s has no key %q", what, key)
}

func (c *checker) typed(n *node, what string, want value) {
	switch {
	case n.kind == isNull || want.kind == "" || want.kind == n.kind && n.kind != isInteger:
	case want.kind != n.kind:
		fix := ""
		if want.kind == isText && (n.kind == isInteger || n.kind == isNumber || n.kind == isBool) {
			fix = "put it in quotes: " + quoted(n.text)
		}
		c.report(RuleType, Error, n.span, fix, "%s is %s, not %s", what, want.kind, n.describe())
	default:
		number, err := strconv.Atoi(n.text)
		if err != nil || number < want.least || number > want.most {
			c.report(RuleType, Error, n.span, "", "%s is a whole number from %d to %d, not %s", what, want.least, want.most, n.describe())
		}
	}
}

// describe says what stands there, shortly.
func (n *node) describe() string {
	const enough = 40
	if n.kind == isNull || n.kind == isList || n.kind == isMapping {
		return string(n.kind)
	}
	text := []rune(strings.ToValidUTF8(n.text, "\ufffd"))
	if len(text) > enough {
		text = append(text[:enough], '…')
	}
	if n.kind == isText {
		return fmt.Sprintf("%q", string(text))
	}
	return string(text)
}

// bundled are the plugins that come with Kong Gateway 3 (open source).
var bundled = strings.Fields(`
	acl acme ai-prompt-decorator ai-prompt-guard ai-prompt-template ai-proxy ai-request-transformer ai-response-transformer
	aws-lambda azure-functions basic-auth bot-detection correlation-id cors datadog file-log grpc-gateway grpc-web hmac-auth
	http-log ip-restriction jwt key-auth ldap-auth loggly oauth2 opentelemetry post-function pre-function prometheus
	proxy-cache rate-limiting redirect request-size-limiting request-termination request-transformer response-ratelimiting
	response-transformer session standard-webhooks statsd syslog tcp-log udp-log zipkin`)
