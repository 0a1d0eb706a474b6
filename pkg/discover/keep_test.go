package discover_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/suokelife/suokectl/internal/lab/consul"
	"github.com/suokelife/suokectl/pkg/discover"
)

// kept is a registration that is kept in the background, and what was told of it.
type kept struct {
	told chan discover.KeepEvent
	stop func() error
}

// next returns the next event that is not about a failure.
func (k *kept) next(t *testing.T) discover.KeepEvent {
	t.Helper()
	for {
		select {
		case e := <-k.told:
			if e.Kind != discover.KeepFailed {
				return e
			}
		case <-time.After(20 * time.Second):
			t.Fatal("nothing was told")
		}
	}
}

func serveOn(t *testing.T, address string, r discover.Registration, o discover.KeepOptions) *kept {
	t.Helper()
	k := &kept{told: make(chan discover.KeepEvent, 100)}
	o.Told = func(e discover.KeepEvent) { k.told <- e }
	stop, err := discover.Serve(t.Context(), discover.Config{Address: address}, r, o)
	if err != nil {
		t.Fatal(err)
	}
	k.stop = stop
	t.Cleanup(func() { _ = stop() }) // the test looked at its error
	return k
}

func ttlService(ttl time.Duration) discover.Registration {
	return discover.Registration{
		Name: "auth-service", Version: "v1", Address: "127.0.0.1", Port: 4001, Tags: []string{"prod"},
		Checks: []discover.CheckConfig{{TTL: ttl}},
	}
}

// await waits until the service has exactly these instances in that health, as a caller sees them.
func await(t *testing.T, c *discover.Client, health discover.Health, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var last discover.Update
	for last = range c.Watch(ctx, "auth-service", discover.Query{Health: discover.Any}) {
		good := last.Err == nil && ids(last.Instances) == want
		for _, instance := range last.Instances {
			good = good && instance.Health == health
		}
		if good {
			return
		}
	}
	t.Fatalf("waited for %q in %s; last seen %+v", want, health, last)
}

func TestServeKeepsTheInstanceAlive(t *testing.T) {
	server, c := start(t)
	var status discover.Status
	const ttl = 300 * time.Millisecond
	k := serveOn(t, server.Addr(), ttlService(ttl), discover.KeepOptions{Status: &status})
	if e := k.next(t); e.Kind != discover.KeepRegistered || e.ID != "auth-service-127.0.0.1-4001" {
		t.Fatalf("told %+v", e)
	}
	await(t, c, discover.Passing, "4001")
	ctx, cancel := context.WithTimeout(t.Context(), 6*ttl)
	defer cancel()
	for update := range c.Watch(ctx, "auth-service", discover.Query{}) {
		if update.Err == nil && len(update.Instances) != 1 {
			t.Fatalf("it was lost: %+v", update)
		}
	}
	status.Set("database", discover.Critical, "gone")
	if e := k.next(t); e.Kind != discover.KeepReported || e.Health != discover.Critical || e.Note != "database: gone" {
		t.Fatalf("told %+v", e)
	}
	await(t, c, discover.Critical, "4001")
	status.Forget("database")
	await(t, c, discover.Passing, "4001")
	if err := k.stop(); err != nil {
		t.Fatal(err)
	}
	if err := k.stop(); err != nil {
		t.Errorf("stopped twice: %v", err)
	}
	_, err := c.Instances(t.Context(), "auth-service", discover.Query{Health: discover.Any})
	if !errors.Is(err, discover.ErrNoInstance) {
		t.Errorf("left behind: %v", err)
	}
}

func TestServeOutlivesAnAgentThatForgets(t *testing.T) {
	server, err := consul.Start(consul.Options{})
	if err != nil {
		t.Fatal(err)
	}
	k := serveOn(t, server.Addr(), ttlService(time.Second), discover.KeepOptions{})
	checked := ttlService(0)
	checked.Port, checked.Checks = 4002, nil
	unchecked := client(t, discover.Config{Address: server.Addr()})
	if e := k.next(t); e.Kind != discover.KeepRegistered {
		t.Fatalf("told %+v", e)
	}
	for range 3 {
		if err := server.Close(); err != nil {
			t.Fatal(err)
		}
		if server, err = consul.Start(consul.Options{Addr: server.Addr()}); err != nil {
			t.Fatal(err)
		}
		for e := k.next(t); e.Kind != discover.KeepReregistered; e = k.next(t) {
			if e.Kind != discover.KeepRecovered {
				t.Fatalf("told %+v", e)
			}
		}
		await(t, unchecked, discover.Passing, "4001")
	}
	if err := k.stop(); err != nil {
		t.Fatal(err)
	}
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestServeTakesItsRegistrationBack: from who registered the same instance with another check, or deregistered it.
func TestServeTakesItsRegistrationBack(t *testing.T) {
	server, c := start(t)
	r := ttlService(300 * time.Millisecond)
	k := serveOn(t, server.Addr(), r, discover.KeepOptions{})
	if e := k.next(t); e.Kind != discover.KeepRegistered {
		t.Fatalf("told %+v", e)
	}
	other := r
	other.Checks = []discover.CheckConfig{{HTTP: "http://127.0.0.1:1/", Interval: time.Hour}}
	for _, disturb := range []func() error{
		func() error { _, err := c.Register(t.Context(), other); return err },
		func() error { return c.Deregister(t.Context(), r.ID()) },
	} {
		if err := disturb(); err != nil {
			t.Fatal(err)
		}
		if e := k.next(t); e.Kind != discover.KeepReregistered {
			t.Fatalf("told %+v", e)
		}
		await(t, c, discover.Passing, "4001")
	}
}

func TestServeBeforeConsulIsThere(t *testing.T) {
	server, err := consul.Start(consul.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	k := serveOn(t, server.Addr(), ttlService(time.Second), discover.KeepOptions{})
	if e := <-k.told; e.Kind != discover.KeepFailed || !errors.Is(e.Err, discover.ErrUnreachable) || e.RetryIn <= 0 {
		t.Fatalf("told %+v", e)
	}
	server, err = consul.Start(consul.Options{Addr: server.Addr()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Close() }() // the registration is gone by then
	if e := k.next(t); e.Kind != discover.KeepRegistered {
		t.Fatalf("told %+v", e)
	}
	if err := k.stop(); err != nil {
		t.Fatal(err)
	}
}

func TestServeThatNeverReachesConsulLeavesNothing(t *testing.T) {
	stop, err := discover.Serve(t.Context(), discover.Config{Address: "127.0.0.1:1"}, ttlService(time.Second), discover.KeepOptions{StopWithin: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if err := stop(); err != nil {
		t.Errorf("nothing can be left behind: %v", err)
	}
}

func TestServeRefuses(t *testing.T) {
	denied := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "Permission denied: token lacks permission 'service:write'", http.StatusForbidden)
	})
	malformed := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/register") {
			http.Error(w, "Invalid check", http.StatusBadRequest)
			return
		}
		http.Error(w, "unknown service ID", http.StatusNotFound)
	})
	for _, row := range []struct {
		address string
		r       discover.Registration
		want    string
	}{
		{denied.URL, ttlService(time.Second), "lacks permission 'service:write'; it needs that"},
		{malformed.URL, ttlService(time.Second), "Invalid check"},
		{"127.0.0.1:1", discover.Registration{Name: "s"}, "it needs the address"},
		{"", ttlService(time.Second), discover.ErrNoAddress.Error()},
	} {
		_, err := discover.Serve(t.Context(), discover.Config{Address: row.address}, row.r, discover.KeepOptions{})
		if err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("got %v, want %q", err, row.want)
		}
	}
}

// TestKeepEndsWithItsContext: also before the first answer.
func TestKeepEndsWithItsContext(t *testing.T) {
	hole := listen(t)
	c := client(t, discover.Config{Address: hole.Addr().String()})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	begin := time.Now()
	if err := c.Keep(ctx, ttlService(time.Second), discover.KeepOptions{StopWithin: 50 * time.Millisecond}); err != nil {
		t.Error(err)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("took %s", took)
	}
}

// TestKeepDoubtsARegistrationWhoseAnswerItDidNotAwait: the agent may have the instance although nobody was told so.
func TestKeepDoubtsARegistrationWhoseAnswerItDidNotAwait(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	agent := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/register"):
			_, _ = io.Copy(io.Discard, r.Body) // a server notices who goes only then
			cancel()
			<-r.Context().Done() // registered, and not answered
		case strings.Contains(r.URL.Path, "/deregister/"):
			http.Error(w, "no cluster leader", http.StatusInternalServerError)
		default:
			_, _ = w.Write([]byte("{}"))
		}
	})
	c := client(t, discover.Config{Address: agent.URL})
	err := c.Keep(ctx, ttlService(time.Second), discover.KeepOptions{StopWithin: 50 * time.Millisecond})
	var left *discover.LeftBehindError
	if !errors.As(err, &left) {
		t.Errorf("got %v", err)
	}
}

// TestMaintenanceOutlivesRegistrations: what an operator put up stays, what our own drain put up does not.
func TestMaintenanceOutlivesRegistrations(t *testing.T) {
	_, c := start(t)
	ctx := t.Context()
	r := ttlService(time.Hour)
	r.Checks = append(r.Checks, discover.CheckConfig{TTL: time.Hour})
	id, err := c.Register(ctx, r)
	if err != nil {
		t.Fatal(err)
	}
	state := func() string {
		reason, on, err := c.Maintenance(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		registered, err := c.Registered(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(on, " ", reason, ", ", len(registered.Checks), " checks")
	}
	for _, step := range []struct {
		do   func() error
		want string
	}{
		{func() error { return c.Maintain(ctx, id, "new disk") }, "true new disk, 3 checks"},
		{func() error { return c.Maintain(ctx, id, "another reason") }, "true new disk, 3 checks"},
		{func() error { r.Checks = r.Checks[:1]; _, err := c.Register(ctx, r); return err }, "true new disk, 2 checks"},
		{func() error { return c.EndMaintenance(ctx, id) }, "false , 1 checks"},
		{func() error { return c.EndMaintenance(ctx, id) }, "false , 1 checks"},
		{func() error { return c.Maintain(ctx, id, "shutting down") }, "true shutting down, 2 checks"},
		{func() error { _, err := c.Register(ctx, r); return err }, "false , 1 checks"},
	} {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		if got := state(); got != step.want {
			t.Errorf("got %s, want %s", got, step.want)
		}
	}
	if err := c.Maintain(ctx, "", "all of it"); err != nil {
		t.Fatal(err)
	}
	if reason, on, err := c.Maintenance(ctx, ""); !on || reason != "all of it" || err != nil {
		t.Errorf("the node: %v %q %v", on, reason, err)
	}
	if got := state(); got != "false , 1 checks" {
		t.Errorf("the node's maintenance is taken for the instance's: %s", got)
	}
	var unknown *discover.UnknownIDError
	for _, err := range []error{c.Maintain(ctx, "auth-service-127.0.0.1-4002", ""), c.EndMaintenance(ctx, "auth-service-127.0.0.1-4002")} {
		if !errors.As(err, &unknown) || !strings.Contains(err.Error(), "did you mean auth-service-127.0.0.1-4001?") {
			t.Errorf("got %v", err)
		}
	}
}

// cluster plays an agent on the node "here" whose catalogue has an instance with our id on the node "there".
func cluster(t *testing.T, local string) (address string, wrote func() string) {
	t.Helper()
	var mu sync.Mutex
	var writes []string
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		say := func(text string) { _, _ = fmt.Fprint(w, text) }
		w.Header().Set("X-Consul-Index", "1")
		switch path := r.URL.Path; {
		case r.Method == http.MethodPut && strings.Contains(path, "/catalog/deregister"):
			body := make([]byte, r.ContentLength)
			_, _ = r.Body.Read(body)
			writes = append(writes, path+" "+strings.TrimSpace(string(body)))
		case r.Method == http.MethodPut && strings.Contains(path, "/deregister/"):
			http.Error(w, "Unknown service ID", http.StatusNotFound)
		case r.Method == http.MethodPut:
			writes = append(writes, path)
		case path == "/v1/agent/self":
			say(`{"Config": {"NodeName": "here"}}`)
		case strings.HasPrefix(path, "/v1/agent/service/"):
			if local == "" {
				http.Error(w, "unknown service ID", http.StatusNotFound)
			}
			say(local)
		case path == "/v1/catalog/services":
			say(`{"other": [], "auth-service": []}`)
		case path == "/v1/health/service/auth-service":
			say(`[{"Node": {"Node": "there", "Address": "10.0.0.9"},
				"Service": {"ID": "auth-service-127.0.0.1-4001", "Service": "auth-service", "Address": "10.0.0.8", "Port": 4001},
				"Checks": [{"CheckID": "serfHealth", "Status": "critical"}]}]`)
		case strings.HasPrefix(path, "/v1/health/service/"):
			say("[]")
		default:
			say("{}")
		}
	})
	return server.URL, func() string {
		mu.Lock()
		defer mu.Unlock()
		return strings.Join(writes, "; ")
	}
}

func TestAnIDThatIsTaken(t *testing.T) {
	address, wrote := cluster(t, "")
	c := client(t, discover.Config{Address: address})
	r := ttlService(time.Hour)
	err := c.Conflict(t.Context(), r)
	var conflict *discover.ConflictError
	if !errors.As(err, &conflict) || conflict.Here || err.Error() != "auth-service-127.0.0.1-4001 is registered at node there too (10.0.0.8:4001, critical), "+
		"and callers would be given both; deregister it at that node's agent, or replace it" {
		t.Fatalf("got %v", err)
	}
	if err := c.Evict(t.Context(), conflict); err != nil || !strings.Contains(wrote(), `"Node":"there"`) || !strings.Contains(wrote(), `"ServiceID":"auth-service-127.0.0.1-4001"`) {
		t.Errorf("evicted by %s, %v", wrote(), err)
	}
	for _, free := range []discover.Registration{{Name: "other", Address: "a", Port: 1}, {Name: "auth-service", Address: "a", Port: 1}} {
		if err := c.Conflict(t.Context(), free); err != nil {
			t.Error(err)
		}
	}
	var unknown *discover.UnknownIDError
	err = c.Deregister(t.Context(), r.ID())
	if !errors.As(err, &unknown) || !strings.HasSuffix(err.Error(), "it is registered at node there, and only the agent there can change it") {
		t.Errorf("deregistering it here: %v", err)
	}
	var told []discover.KeepEventKind
	ctx, cancel := context.WithCancel(t.Context())
	err = c.Keep(ctx, r, discover.KeepOptions{Told: func(e discover.KeepEvent) {
		if told = append(told, e.Kind); e.Kind == discover.KeepRegistered {
			cancel()
		}
	}})
	if got := fmt.Sprint(told); err != nil || got != "[conflict registered deregistered]" {
		t.Errorf("Keep told %s, %v", got, err)
	}
	cancel()
}

func TestAnIDThatIsTakenHere(t *testing.T) {
	address, _ := cluster(t, `{"ID": "auth-service-127.0.0.1-4001", "Service": "squatter", "Address": "10.0.0.1", "Port": 2}`)
	err := client(t, discover.Config{Address: address}).Conflict(t.Context(), ttlService(time.Hour))
	var conflict *discover.ConflictError
	if !errors.As(err, &conflict) || !conflict.Here || !strings.Contains(err.Error(), "is taken at this agent by squatter at 10.0.0.1:2") {
		t.Errorf("got %v", err)
	}
}

func TestLocalhostAtARemoteAgent(t *testing.T) {
	for _, row := range []struct {
		agent, address, check string
		want                  []string // fields
	}{
		{"consul.example:8500", "10.0.0.7", "http://localhost:8080/health", []string{"check 1"}},
		{"10.1.2.3:8500", "127.0.0.1", "http://127.0.0.1:8080/health", []string{"address", "check 1"}},
		{"https://consul.example", "::1", "http://[::1]:8080/", []string{"address", "check 1"}},
		{"consul.example:8500", "10.0.0.7", "http://10.0.0.7:8080/health", nil},
		{"127.0.0.1:8500", "127.0.0.1", "http://localhost:8080/health", nil},
		{"localhost:8500", "localhost", "http://a.localhost/", nil},
		{"http://[::1]:8500", "127.0.0.1", "http://localhost", nil},
		{"consul.example:8500", "10.0.0.7", "http://u:secret@localhost/", []string{"check 1"}},
		{"unix:///run/consul.sock", "127.0.0.1", "http://localhost", nil},
	} {
		c := client(t, discover.Config{Address: row.agent})
		var got []string
		for _, finding := range c.Localhost(discover.Registration{
			Name: "s", Address: row.address, Port: 1, Checks: []discover.CheckConfig{{HTTP: row.check}, {TTL: time.Second}},
		}) {
			got = append(got, finding.Field)
			if !strings.HasPrefix(finding.Error(), "registration of s: ") || strings.Contains(finding.Error(), "secret") {
				t.Error(finding)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(row.want) {
			t.Errorf("%+v: got %v", row, got)
		}
	}
}

func TestPlanRegistration(t *testing.T) {
	_, c := start(t)
	r := ttlService(15 * time.Second)
	plan := func() string {
		p, err := c.PlanRegistration(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		text := p.Action
		for _, change := range p.Changes {
			text += fmt.Sprintf("; %s: %s > %s", change.Field, change.From, change.To)
		}
		return text
	}
	const ttl = "ttl: the process reports itself, every 15s at the latest"
	const checkID = "service:auth-service-127.0.0.1-4001:1"
	for _, step := range []struct {
		change func()
		want   string
	}{
		{func() {}, "create; address:  > 127.0.0.1:4001; meta.version:  > v1; name:  > auth-service; " + checkID + ":  > " + ttl +
			"; tags:  > prod; weights:  > 1 passing, 1 warning"},
		{func() { _, _ = c.Register(t.Context(), r) }, "keep"}, // the next step would tell
		{func() { _ = c.Maintain(t.Context(), r.ID(), "x") }, "keep"},
		{func() { r.Version, r.Tags, r.Meta = "v2", nil, map[string]string{"team": "a"} }, "replace; meta.team:  > a; meta.version: v1 > v2; tags: prod > "},
		{func() {
			r = ttlService(15 * time.Second)
			r.Weights = discover.Weights{Passing: 10, Warning: 1}
			r.Checks = []discover.CheckConfig{{HTTP: "http://h/", Interval: time.Second, Timeout: time.Second}}
		}, "replace; " + checkID + ": " + ttl + " > http: GET http://h/ every 1s, 1s at most; weights: 1 passing, 1 warning > 10 passing, 1 warning"},
	} {
		step.change()
		if got := plan(); got != step.want {
			t.Errorf("got  %s\nwant %s", got, step.want)
		}
	}
	r.Port = -1
	var wrong *discover.RegistrationError
	if _, err := c.PlanRegistration(t.Context(), r); !errors.As(err, &wrong) || wrong.Field != "port" {
		t.Errorf("got %v", err)
	}
}
