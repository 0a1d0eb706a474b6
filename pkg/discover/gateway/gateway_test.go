package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/suokelife/suokectl/internal/lab/consul"
	"github.com/suokelife/suokectl/pkg/discover"
	"github.com/suokelife/suokectl/pkg/discover/gateway"
	"github.com/suokelife/suokectl/pkg/lint"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// specification is what D4 shows, made whole.
const specification = `# Kong服务发现配置
_format_version: "3.0"
services:
  - name: auth-service
    host: auth-service.service.consul
    port: 80
    protocol: http
    path: /
    plugins:
      - name: consul-discovery
        config:
          service_name: auth-service
          tags: ["prod"]
`

// said is the findings as rule line:column.
func said(findings []gateway.Finding) string {
	var out []string
	for _, f := range findings {
		out = append(out, fmt.Sprintf("%s %d:%d", f.Rule, f.Span.Start.Line, f.Span.Start.Column))
	}
	return strings.Join(out, "\n")
}

func TestTheSpecificationsExample(t *testing.T) {
	findings := gateway.Check("kong.yaml", []byte(specification))
	want := "KONG_ROUTES_MISSING 4:5\nKONG_PLUGIN_NOT_STOCK 10:15"
	if got := said(findings); got != want || gateway.Defects(findings) != 0 {
		t.Errorf("got\n%s\nwant\n%s\nand no defects", got, want)
	}
	if !strings.Contains(findings[1].Message, "Kong itself comes with no plugin consul-discovery") {
		t.Errorf("got %q", findings[1].Message)
	}
}

const version = "_format_version: \"3.0\"\n"

// one is a file with one service of which more is said.
func one(more string) string {
	return version + "services:\n- name: a\n  host: a.service.consul\n  routes: [{name: r, paths: [/a]}]\n" + more
}

func TestCheck(t *testing.T) {
	const discovery = "  plugins: [{name: consul-discovery, config: {service_name: a, tags: [prod]}}]\n"
	for name, c := range map[string]struct{ text, rules, words string }{
		"clean":                 {one(""), "", ""},
		"no version":            {"services: []\n", "KONG_FORMAT_VERSION 1:1", "refuses a file without"},
		"wrong version":         {"_format_version: \"9\"\n", "KONG_FORMAT_VERSION 1:18", `knows no format version "9"`},
		"version is a number":   {"_format_version: 3.0\n", "KONG_TYPE 1:18", `put it in quotes: "3.0"`},
		"unknown key of root":   {version + "service: []\n", "KONG_UNKNOWN_KEY 2:1", "did you mean services?"},
		"unknown key":           {one("  connect_timout: 500\n"), "KONG_UNKNOWN_KEY 6:3", "did you mean connect_timeout?"},
		"far from every key":    {one("  xyzzyplugh: 500\n"), "KONG_UNKNOWN_KEY 6:3", "remove it"},
		"service is a text":     {version + "services: [a]\n", "KONG_TYPE 2:12", `made of keys and values, not "a"`},
		"services is a mapping": {version + "services: {a: b}\n", "KONG_TYPE 2:12", "services is a list, not keys and values"},
		"port is a text":        {one("  port: \"80\"\n"), "KONG_TYPE 6:9", "a whole number"},
		"port out of range":     {one("  port: 65536\n"), "KONG_TYPE 6:9", "from 0 to 65535, not 65536"},
		"timeout of nothing":    {one("  read_timeout: 0\n"), "KONG_TYPE 6:17", "from 1 to"},
		"timeout in seconds":    {one("  connect_timeout: 5\n"), "KONG_TIMEOUT 6:20", "connect_timeout: 5000"},
		"many retries":          {one("  retries: 100\n"), "KONG_RETRIES 6:12", "an outage is made worse"},
		"too many retries":      {one("  retries: 40000\n"), "KONG_RETRIES 6:12\nKONG_TYPE 6:12", "32767"},
		"two services":          {one("") + "- name: a\n  host: b.service.consul\n  routes: [{name: r, paths: [/b]}]\n", "KONG_DUPLICATE_NAME 6:9\nKONG_DUPLICATE_NAME 8:19", "another service of the name a"},
		"no host":               {version + "services:\n- name: a\n", "KONG_HOST_MISSING 3:3\nKONG_ROUTES_MISSING 3:3", "host: a.service.consul"},
		"url":                   {version + "services: [{url: \"http://a.service.consul:80/x\", routes: [{paths: [/]}]}]\n", "", ""},
		"url is none":           {version + "services: [{url: nothing, routes: [{paths: [/]}]}]\n", "KONG_HOST_MISSING 2:18", "no URL with a host"},
		"url and host":          {one("  url: http://a.service.consul\n"), "KONG_HOST_TWICE 6:8", "overrides"},
		"host elsewhere":        {version + "services: [{host: example.com, routes: [{paths: [/]}]}]\n", "KONG_HOST_NOT_CONSUL 2:19", "no health check"},
		"url elsewhere":         {version + "services: [{url: \"https://example.com\", routes: [{paths: [/]}]}]\n", "KONG_HOST_NOT_CONSUL 2:18", "example.com"},
		"url of SRV":            {version + "services: [{url: \"http://_a._x.service.consul:80/\", routes: [{paths: [/]}]}]\n", "KONG_PORT_IGNORED 2:18", "never dialled"},
		"host is an upstream":   {version + "upstreams: [{name: u}]\nservices: [{host: u, routes: [{paths: [/]}]}]\n", "", ""},
		"host without service":  {version + "services: [{host: a.consul, routes: [{paths: [/]}]}]\n", "KONG_HOST_MALFORMED 2:19", `no label "service"`},
		"host of no service":    {version + "services: [{host: service.consul, routes: [{paths: [/]}]}]\n", "KONG_HOST_MALFORMED 2:19", "names no service"},
		"host with a blank":     {version + "services: [{host: \"a b.service.consul\", routes: [{paths: [/]}]}]\n", "KONG_HOST_MALFORMED 2:19", "no label of a DNS name"},
		"port with SRV":         {version + "services: [{host: _a._tcp.service.consul, port: 80, routes: [{paths: [/]}]}]\n", "KONG_PORT_IGNORED 2:49", "never dialled"},
		"protocol misspelt":     {one("  protocol: htpp\n"), "KONG_PROTOCOL 6:13", "did you mean http?"},
		"path without slash":    {one("  path: x\n"), "KONG_PATH 6:9", "path: /x"},
		"path of gRPC":          {version + "services: [{host: a.service.consul, protocol: grpc, path: /, routes: [{protocols: [grpc], paths: [/]}]}]\n", "KONG_PATH 2:59", "refuses a path with the protocol grpc"},
		"gRPC by an HTTP route": {one("  protocol: grpc\n"), "KONG_PROTOCOL 5:13", "protocols: [grpc, grpcs]"},
		"route of two families": {version + "services: [{host: a.service.consul, routes: [{protocols: [http, grpc], paths: [/]}]}]\n", "KONG_PROTOCOL 2:65", "make two routes"},
		"route of nothing":      {version + "services: [{host: a.service.consul, routes: [{name: r}]}]\n", "KONG_ROUTE_EMPTY 2:47", "paths: [/r]"},
		"route without paths":   {version + "services: [{host: a.service.consul, routes: [{hosts: [x]}]}]\n", "KONG_ROUTE_NO_PATHS 2:47", "every path"},
		"route path":            {version + "services: [{host: a.service.consul, routes: [{paths: [x, ~/y, 1]}]}]\n", "KONG_PATH 2:55\nKONG_TYPE 2:63", "begins neither"},
		"route of TCP":          {version + "services: [{host: a.service.consul, protocol: tcp, routes: [{protocols: [tcp]}]}]\n", "KONG_ROUTE_EMPTY 2:62", "sources"},
		"strip_path of gRPC":    {version + "services: [{host: a.service.consul, protocol: grpc, routes: [{protocols: [grpc], paths: [/], strip_path: true}]}]\n", "KONG_PROTOCOL 2:106", "strip_path: false"},
		"route from outside":    {version + "services: [{name: a, host: a.service.consul}]\nroutes: [{service: {name: a}, paths: [/]}]\n", "", ""},
		"route by name":         {version + "services: [{name: a, host: a.service.consul}]\nroutes: [{service: a, paths: [/]}]\n", "", ""},
		"plugin of no name":     {one("  plugins: [{config: {}}]\n"), "KONG_PLUGIN_NAME 6:14", "has no name"},
		"stock plugin":          {one("  plugins: [{name: rate-limiting, config: {minute: 5}}]\n"), "", ""},
		"plugin misspelt":       {one("  plugins: [{name: consul-discovry, config: {service_name: a}}]\n"), "KONG_PLUGIN_NOT_STOCK 6:20", "did you mean consul-discovery?"},
		"no service_name":       {one("  plugins: [{name: consul-discovery}]\n"), "KONG_SERVICE_NAME_MISSING 6:14\nKONG_PLUGIN_NOT_STOCK 6:20", "does not say which service_name"},
		"service-name":          {one("  plugins: [{name: consul-discovery, config: {service-name: a}}]\n"), "KONG_PLUGIN_NOT_STOCK 6:20\nKONG_SERVICE_NAME_MISSING 6:47\nKONG_UNKNOWN_KEY 6:47", "did you mean service_name?"},
		"another service":       {strings.ReplaceAll(one(discovery), "service_name: a", "service_name: b"), "KONG_PLUGIN_NOT_STOCK 6:20\nKONG_SERVICE_DIFFERS 6:61", "the plugin finds b and the host a"},
		"another tag":           {strings.ReplaceAll(one(discovery), "host: a", "host: canary.a"), "KONG_PLUGIN_NOT_STOCK 6:20\nKONG_TAGS_DIFFER 6:70", `tags: ["canary"]`},
		"plugin from outside":   {one("") + "plugins: [{name: consul-discovery, service: a, config: {service_name: b}}]\n", "KONG_PLUGIN_NOT_STOCK 6:18\nKONG_SERVICE_DIFFERS 6:71", "the plugin finds b"},
		"tag is a number":       {strings.ReplaceAll(one(discovery), "prod", "1"), "KONG_PLUGIN_NOT_STOCK 6:20\nKONG_TYPE 6:71", "a tag is a text"},
		"empty":                 {"", "KONG_SYNTAX 1:1", "the file is empty"},
		"a comment":             {"# nothing\n", "KONG_SYNTAX 1:1", "the file is empty"},
		"a text":                {"hello\n", "KONG_TYPE 1:1", "made of keys and values"},
		"a list":                {"- a\n", "KONG_TYPE 1:1", "not a list"},
		"tab":                   {version + "services:\n\t- name: a\n", "KONG_SYNTAX 3:1", "spaces, not with tabs"},
		"a key twice":           {one("  host: b.service.consul\n"), "KONG_SYNTAX 6:3", "host"},
		"two documents":         {one("") + "---\n" + one(""), "KONG_SYNTAX 7:16", "a second document"},
		"no such anchor":        {version + "services: *s\n", "KONG_SYNTAX 2:11", "anchor"},
		"anchors and merges":    {version + "_info: &d {protocol: htpp}\nservices: [{<<: *d, host: a.service.consul, routes: [{paths: [/]}]}]\n", "KONG_PROTOCOL 2:22", "did you mean http?"},
		"not closed":            {version + "services: [{\n", "KONG_SYNTAX", "no YAML"},
		"wide characters":       {version + "services: [{_comment: 服务发现, host: 服务.service.consul, routes: [{paths: [/]}]}]\n", "KONG_HOST_MALFORMED 2:43", "no label"},
	} {
		t.Run(name, func(t *testing.T) {
			findings := gateway.Check("kong.yaml", []byte(c.text))
			got := said(findings)
			if got != c.rules && (c.rules == "" || !strings.HasPrefix(got, c.rules+" ") || strings.Contains(c.rules, " ")) {
				t.Errorf("got\n%s\nwant\n%s\nof\n%s", got, c.rules, c.text)
			}
			all, err := json.Marshal(findings)
			if err != nil {
				t.Fatal(err)
			}
			var texts strings.Builder
			for _, f := range findings {
				texts.WriteString(f.Message + "\n" + f.Fix + "\n")
			}
			if !strings.Contains(texts.String(), c.words) {
				t.Errorf("%q is not in %s", c.words, all)
			}
		})
	}
}

// TestLargeFile: a megabyte of services is read in time that grows with it, and a small file whose aliases stand for
// very much is not followed to its end.
func TestLargeFile(t *testing.T) {
	var large strings.Builder
	large.WriteString(version + "services:\n")
	for i := 0; large.Len() < 1<<20; i++ {
		_, _ = fmt.Fprintf(&large, "- name: a%d\n  host: a%d.service.consul\n  routes: [{paths: [/a%d]}]\n", i, i, i)
	}
	if findings := gateway.Check("kong.yaml", []byte(large.String())); len(findings) != 0 {
		t.Errorf("got %d findings, such as %+v", len(findings), findings[0])
	}
	times := func(item string) string { return "[" + strings.Repeat(item+", ", 999) + item + "]" }
	bomb := version + "_info:\n  p: &p " + times("{name: jwt}") + "\n  r: &r " + times("{paths: [/], plugins: *p}") + "\nservices: " +
		times("{host: a.service.consul, routes: *r}") + "\n"
	if got := said(gateway.Check("kong.yaml", []byte(bomb))); !strings.Contains(got, "KONG_SYNTAX") {
		t.Errorf("got %s", got)
	}
}

func TestTheFormOfFindingsIsLints(t *testing.T) {
	finding := gateway.Finding{
		Rule: "R", Severity: gateway.Warning, File: "f", Message: "m", Fix: "x",
		Span: gateway.Span{Start: gateway.Position{Offset: 1, Line: 2, Column: 3}, End: gateway.Position{Offset: 4, Line: 5, Column: 6}},
	}
	ours, err := json.Marshal(finding)
	if err != nil {
		t.Fatal(err)
	}
	var theirs lint.Finding
	decoder := json.NewDecoder(strings.NewReader(string(ours)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&theirs); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(theirs)
	if err != nil || string(again) != string(ours) {
		t.Errorf("got %s, %v, want %s", again, err, ours)
	}
}

func TestRender(t *testing.T) {
	got, err := gateway.Render(gateway.Plugin, []gateway.Service{{Name: "auth-service", Tags: []string{"prod"}, Paths: []string{"/auth"}}})
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Replace(specification, "# Kong服务发现配置",
		`# Kong comes with no plugin consul-discovery: it has to be installed and listed in Kong's setting "plugins".`, 1) +
		"    routes:\n      - name: auth-service\n        paths: [\"/auth\"]\n"
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	got, err = gateway.Render(gateway.DNS, []gateway.Service{
		{Name: "auth-service", Tags: []string{"prod"}, Protocol: "grpc", Paths: []string{"/suokelife.auth.v1.AuthService/"}}, {Name: "on"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want = `# Kong's setting "dns_resolver" has to be Consul's DNS port, such as 127.0.0.1:8600.
_format_version: "3.0"
services:
  - name: auth-service
    host: _auth-service._prod.service.consul
    protocol: grpc
    routes:
      - name: auth-service
        protocols: [grpc, grpcs]
        strip_path: false
        paths: ["/suokelife.auth.v1.AuthService/"]
  - name: "on"
    host: _on._tcp.service.consul
    protocol: http
    path: /
`
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestRenderRefuses(t *testing.T) {
	for words, c := range map[string]struct {
		form    gateway.Form
		service gateway.Service
	}{
		"selects by one tag":            {gateway.DNS, gateway.Service{Name: "a", Tags: []string{"x", "y"}}},
		"bring the port":                {gateway.DNS, gateway.Service{Name: "a", Port: 80}},
		`tag "tcp" cannot be asked for`: {gateway.DNS, gateway.Service{Name: "a", Tags: []string{"tcp"}}},
		`tag "a.b" cannot be asked for`: {gateway.DNS, gateway.Service{Name: "a", Tags: []string{"a.b"}}},
		"a tag is empty":                {gateway.Plugin, gateway.Service{Name: "a", Tags: []string{""}}},
		"no label of a DNS name":        {gateway.Plugin, gateway.Service{Name: "a service"}},
		"at most 62":                    {gateway.DNS, gateway.Service{Name: strings.Repeat("a", 63)}},
		`the protocol "udp"`:            {gateway.Plugin, gateway.Service{Name: "a", Protocol: "udp"}},
		"the port 70000":                {gateway.Plugin, gateway.Service{Name: "a", Port: 70000}},
		"does not begin with a slash":   {gateway.Plugin, gateway.Service{Name: "a", Paths: []string{"x"}}},
	} {
		if _, err := gateway.Render(c.form, []gateway.Service{c.service}); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%+v: got %v, want %q in it", c.service, err, words)
		}
	}
	if _, err := gateway.Render("x", nil); !errors.Is(err, gateway.ErrForm) {
		t.Errorf("got %v", err)
	}
	if _, err := gateway.Render(gateway.DNS, nil); err == nil {
		t.Error("nothing is rendered")
	}
	if _, err := gateway.Render(gateway.DNS, []gateway.Service{{Name: "a"}, {Name: "a"}}); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("got %v", err)
	}
}

// TestWhatIsRenderedIsClean: whatever is rendered has no defect, and is rendered the same again.
func TestWhatIsRenderedIsClean(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		form := rapid.SampledFrom(gateway.Forms()).Draw(t, "form")
		name := rapid.StringMatching(`[A-Za-z0-9]([A-Za-z0-9_-]{0,20}[A-Za-z0-9])?`)
		services := rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) gateway.Service {
			s := gateway.Service{
				Name: name.Draw(t, "name"), Protocol: rapid.SampledFrom([]string{"", "http", "https", "grpc", "grpcs"}).Draw(t, "protocol"),
				Paths: rapid.SliceOf(rapid.Map(rapid.String(), func(s string) string { return "/" + s })).Draw(t, "paths"),
			}
			if form == gateway.Plugin {
				s.Port = rapid.IntRange(0, 65535).Draw(t, "port")
				s.Tags = rapid.SliceOf(rapid.StringN(1, 20, -1)).Draw(t, "tags")
			} else if tag := name.Draw(t, "tag"); !strings.EqualFold(tag, "tcp") {
				s.Tags = []string{tag}
			}
			return s
		}), 1, 5, func(s gateway.Service) string { return s.Name }).Draw(t, "services")
		text, err := gateway.Render(form, services)
		if err != nil {
			t.Fatal(err)
		}
		if findings := gateway.Check("kong.yaml", text); gateway.Defects(findings) != 0 {
			t.Fatalf("findings %+v of\n%s", findings, text)
		}
		if again, err := gateway.Render(form, services); err != nil || string(again) != string(text) {
			t.Fatalf("rendered otherwise again: %v", err)
		}
	})
}

func TestHostsAreReadAsTheyAreWritten(t *testing.T) {
	label := rapid.StringMatching(`[A-Za-z0-9]([A-Za-z0-9-]{0,10}[A-Za-z0-9])?`)
	rapid.Check(t, func(t *rapid.T) {
		host := gateway.Host{Service: label.Draw(t, "service"), SRV: rapid.Bool().Draw(t, "srv")}
		for _, field := range []*string{&host.Tag, &host.Datacenter} {
			if rapid.Bool().Draw(t, "with") {
				*field = label.Filter(func(s string) bool { return !strings.EqualFold(s, "tcp") && !strings.EqualFold(s, "service") }).Draw(t, "label")
			}
		}
		got, err := gateway.ParseHost(host.String())
		if err != nil || got != host {
			t.Fatalf("got %+v, %v, want %+v of %s", got, err, host, host)
		}
	})
}

func TestCheckLive(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	server, err := consul.Start(consul.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Close() }() // may be closed below
	client, err := discover.New(discover.Config{Address: server.Addr()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }() // never fails
	for _, r := range []discover.Registration{
		{Name: "auth-service", Address: "127.0.0.1", Port: 50051, Tags: []string{"prod"}},
		{Name: "down-service", Address: "127.0.0.1", Port: 50052, Checks: []discover.CheckConfig{{TTL: time.Hour}}},
	} {
		if _, err := client.Register(ctx, r); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct{ text, rule, words string }{
		"as specified":     {specification, "", ""},
		"misspelt":         {strings.ReplaceAll(specification, "auth-service", "auth-sevrice"), gateway.RuleServiceUnknown, "did you mean auth-service?"},
		"no such tag":      {strings.ReplaceAll(specification, "prod", "canary"), gateway.RuleNoInstance, "tag canary"},
		"critical":         {strings.NewReplacer("auth-service", "down-service", `"prod"`, "").Replace(specification), gateway.RuleNoInstance, "critical"},
		"by SRV":           {version + "services: [{host: _auth-service._prod.service.consul, routes: [{paths: [/]}]}]\n", "", ""},
		"by SRV, no tag":   {version + "services: [{host: _auth-service._x.service.consul, routes: [{paths: [/]}]}]\n", gateway.RuleNoInstance, "tag x"},
		"by addresses":     {version + "services: [{host: auth-service.service.consul, port: 50051, routes: [{paths: [/]}]}]\n", "", ""},
		"at a port":        {version + "services: [{host: auth-service.service.consul, port: 80, routes: [{paths: [/]}]}]\n", gateway.RulePortOfNobody, "listens on port 80"},
		"at the usual":     {version + "services: [{host: auth-service.service.consul, routes: [{paths: [/]}]}]\n", gateway.RulePortOfNobody, "_auth-service._tcp.service.consul"},
		"by https":         {version + "services: [{url: \"https://auth-service.service.consul\", routes: [{paths: [/]}]}]\n", gateway.RulePortOfNobody, "listens on port 443"},
		"not in Consul":    {version + "services: [{host: example.com, routes: [{paths: [/]}]}]\n", gateway.RuleHostNotConsul, ""},
		"cannot be parsed": {"\t", gateway.RuleSyntax, ""},
	} {
		findings, err := gateway.CheckLive(ctx, client, "kong.yaml", []byte(c.text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		findings = slices.DeleteFunc(findings, func(f gateway.Finding) bool { return f.Severity == gateway.Note })
		if c.rule == "" && len(findings) == 0 {
			continue
		}
		if len(findings) != 1 || findings[0].Rule != c.rule || !strings.Contains(findings[0].Message+findings[0].Fix, c.words) {
			t.Errorf("%s: got %+v, want %s with %q", name, findings, c.rule, c.words)
		}
	}
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	findings, err := gateway.CheckLive(ctx, client, "kong.yaml", []byte(specification))
	if !errors.Is(err, discover.ErrUnreachable) || len(findings) != 2 {
		t.Errorf("with no Consul: %v and %+v", err, findings)
	}
}

// FuzzCheck: no text makes it fail, and every finding is at a place of the text.
func FuzzCheck(f *testing.F) {
	for _, seed := range []string{
		specification, "", "\t", "a: &a [*a]\n", "<<: {a: b}\n", "{<<: [1, {a: b}]}", "services: [{}]", "? [a]\n: b\n", "- - - a", "a: !!binary x\n", "---\n---\n",
		"services:\n- host: a.service.consul\n  plugins: [{name: consul-discovery, config: 1}]\n", "a: |\n  b\n", "\xff", "a: 'b\n", "plugins: [null]",
		"services:\n- name: \"0\\n00\"\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, finding := range gateway.Check("f", []byte(text)) {
			start, end := finding.Span.Start, finding.Span.End
			if start.Line < 1 || start.Column < 1 || start.Offset < 0 || end.Offset < start.Offset || end.Offset > len(text) {
				t.Errorf("%+v is at no place of %q", finding, text)
			}
			if finding.Rule == "" || finding.Message == "" || strings.ContainsAny(finding.Message, "\n") {
				t.Errorf("%+v says nothing, or too much", finding)
			}
		}
	})
}
