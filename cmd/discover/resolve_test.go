package discover_test

import (
	"strings"
	"testing"

	"github.com/suokelife/suokectl/internal/failure"
)

func TestResolveFindsWhatOneSideAloneGives(t *testing.T) {
	f := newTerminal(t, world(t)) // in which an instance warns
	err := f.run(t, "resolve", "auth-service")
	want := `ADDRESS         API    DNS    HEALTH   ID
127.0.0.1:4000  given  given  passing  auth-service-127.0.0.1-4000
127.0.0.1:4002  -      given  warning  auth-service-127.0.0.1-4002
differs: DNS alone gives 127.0.0.1:4002: it warns, and DNS leaves out only what is critical unless dns_config.only_passing is set
`
	if failure.Code(t.Context(), err) != 100 || f.out.String() != want || f.errOut.Len() > 0 {
		t.Errorf("%v\n%s%s", err, f.out, f.errOut)
	}
	if err := f.run(t, "resolve", "auth-service", "--health", "warning"); err != nil || !strings.HasSuffix(f.errOut.String(), " agree\n") {
		t.Errorf("%v\n%s%s", err, f.out, f.errOut)
	}
	err = f.run(t, "resolve", "auth-service", "--jq", ".differences[].kind")
	if failure.Code(t.Context(), err) != 100 || f.out.String() != "dns_only\n" {
		t.Errorf("%v, %s", err, f.out)
	}
}

func TestResolveOnATerminal(t *testing.T) {
	f := newTerminal(t, world(t))
	f.IO.SetTTY(true, true, true)
	f.IO.SetColor(true)
	f.IO.SetWidth(60)
	if err := f.run(t, "resolve", "auth-service"); failure.Code(t.Context(), err) != 100 || !strings.Contains(f.out.String(), "only_passing") {
		t.Errorf("%v: the reason is not whole:\n%s", err, f.out)
	}
	if err := f.run(t, "resolve", "odd-service", "--tag", "\x1b[31mred\x1b[0m\u202e", "-o", "wide"); strings.Contains(f.out.String(), "\x1b[31mred") {
		t.Errorf("%v\n%q", err, f.out)
	}
}

func TestResolveWithoutConsul(t *testing.T) {
	err := newTerminal(t, "127.0.0.1:1").run(t, "resolve", "x")
	if failure.Code(t.Context(), err) != 1 || !strings.Contains(err.Error(), "Consul at 127.0.0.1:1: connection refused") {
		t.Error(err)
	}
}
