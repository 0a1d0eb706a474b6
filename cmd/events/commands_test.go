package events_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	cmdevents "github.com/suokelife/suokectl/cmd/events"
	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/lab/kafka"
)

const (
	registered = "dev.auth-service.user-registered.v1"
	patience   = 30 * time.Second
)

// console runs commands against a lab broker as a user would.
type console struct {
	*testing.T
	ctx     context.Context
	brokers string
	dir     string
	raw     *kgo.Client

	protected bool
	password  string
	registry  string
}

func newConsole(t *testing.T) *console {
	t.Helper()
	server, err := kafka.Start(kafka.Options{Topics: []kafka.Topic{{Name: registered, Partitions: 2}, {Name: registered + ".dlq", Partitions: 2}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	raw, err := kgo.NewClient(kgo.SeedBrokers(server.Addrs()...), kgo.DefaultProduceTopic(registered), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(raw.Close)
	return &console{T: t, ctx: ctx, brokers: strings.Join(server.Addrs(), ","), dir: t.TempDir(), raw: raw}
}

func (s *console) put(records ...*kgo.Record) {
	s.Helper()
	if err := s.raw.ProduceSync(s.ctx, records...).FirstErr(); err != nil {
		s.Fatal(err)
	}
}

// ran is what a command left behind.
type ran struct {
	out, errOut string
	err         error
	code        int
}

func (s *console) run(args ...string) ran {
	s.Helper()
	return s.runWith(s.ctx, "", func(*iostreams.IOStreams) {}, args...)
}

func (s *console) runWith(ctx context.Context, stdin string, prepare func(*iostreams.IOStreams), args ...string) ran {
	s.Helper()
	ios, in, out, errOut := iostreams.Test()
	in.WriteString(stdin)
	prepare(ios)
	f := &app.Factory{IO: ios, Version: "test", Dir: s.dir, Getenv: s.getenv}
	cmd := cmdevents.NewCmdEvents(f)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetArgs(args)
	cmd.SetOut(ios.Out)
	cmd.SetErr(ios.ErrOut)
	err := cmd.ExecuteContext(ctx)
	if closing := f.Close(); closing != nil {
		s.Error(closing)
	}
	return ran{out: out.String(), errOut: errOut.String(), err: err, code: failure.Code(ctx, err)}
}

func (s *console) getenv(name string) string {
	return map[string]string{
		"SUOKECTL_KAFKA_BROKERS": s.brokers, "SUOKECTL_ENV": "dev", "HOME": s.dir, "SUOKECTL_PROTECTED": strconv.FormatBool(s.protected),
		"PASSWORD": s.password, "SUOKECTL_REGISTRY_URL": s.registry,
	}[name]
}

func event(id string) string {
	return fmt.Sprintf(`{"meta":{"id":%q,"type":"user-registered","version":"v1","source":"auth-service","time":"2026-01-31T12:00:00Z","correlation_id":"none"},"data":{"n":9007199254740993}}`, id)
}

func (r ran) want(t *testing.T, code int, inOut, inErrOut string) {
	t.Helper()
	text := r.errOut + fmt.Sprint(r.err)
	if r.code != code || !strings.Contains(r.out, inOut) || !strings.Contains(text, inErrOut) {
		t.Errorf("code %d, want %d; want %q on stdout and %q on stderr\nstdout: %s\nstderr: %s\nerror: %v (%s)",
			r.code, code, inOut, inErrOut, r.out, r.errOut, r.err, failure.Hint(r.err))
	}
}

func TestTopics(t *testing.T) {
	s := newConsole(t)
	s.run("topics", "list").want(t, 0, registered+".dlq  dead-letters  2", "")
	s.run("topics", "list", "dev.*.nothing.*").want(t, 0, "", "no topics")
	s.run("topics", "list", "-o", "json", "--jq", ".[].partitions|length").want(t, 0, "2\n2\n", "")
	s.run("topics", "create", "dev.auth-service.user-locked.v1", "--dry-run").want(t, 0, "user-locked.v1      would be created\n", "")
	s.run("topics", "create", "dev.auth-service.user-locked.v1", "--partitions", "4").want(t, 0, "user-locked.v1.dlq  created\n", "")
	s.run("topics", "create", "dev.auth-service.user-locked.v1").want(t, 1, "", "exists already")
	s.run("topics", "create", "dev.auth-service.user-locked.v1", "--if-absent").want(t, 0, "user-locked.v1      exists already\n", "")
	s.run("topics", "create", "dev.auth-service.userLocked.v1").want(t, 1, "", "user-locked")
	s.run("topics", "create", "dev.auth-service.user-seen.v1", "--config", "no.such=1").want(t, 1, "", "topics have no configuration")
	s.run("topics", "create", "dev.auth-service.user-seen.v1", "--partitions", "-1").want(t, 2, "", "not negative")
	s.run("topics", "check").want(t, 0, "", "4 names follow")
	s.run("topics", "check", registered, "Prod.auth_service.userRegistered.1").want(t, 100, "prod.auth-service.user-registered.v1", "")
	s.run("topics", "list", "-o", "xml").want(t, 2, "", "unknown output format")
}

func TestEmit(t *testing.T) {
	s := newConsole(t)
	emit := []string{"emit", "user-registered", "--service", "auth-service", "--data"}
	s.run(append(emit, `{"a":1}`, "--key", "k", "--correlation-id", "r-1", "-o", "json")...).want(t, 0, `"offset": 0`, "")
	s.runWith(s.ctx, `{"b":2}`, func(*iostreams.IOStreams) {}, append(emit, "-")...).want(t, 0, "OFFSET:", "")
	s.run(append(emit, `{}`, "--dry-run")...).want(t, 0, `"source":"auth-service"`, "would be produced to "+registered)
	s.run(append(emit, `{}`, "--dry-run", "--jq", ".meta.source")...).want(t, 0, "auth-service\n", "")
	s.run(append(emit, `{}`, "--dry-run", "-o", "yaml")...).want(t, 0, "  source: auth-service\n", "")
	s.run(append(emit, `{a}`)...).want(t, 2, "", "not JSON")
	s.run("emit", "user-registered").want(t, 2, "", "--service and --data")
	s.run("emit", "UserRegistered", "--service", "auth-service", "--data", "{}").want(t, 1, "", "user-registered")
	s.run("emit", "user-deleted", "--service", "auth-service", "--data", "{}").want(t, 1, "", "does not exist")
	s.run("consume", registered, "--until", "now", "--where", `.value.meta.correlation_id == "r-1" and .key == "k"`).want(t, 0, `"data":{"a":1}`, "")
	if got := s.run("consume", registered, "--until", "now", "-o", "raw"); strings.Count(got.out, "\n") != 2 {
		t.Errorf("the refused were stored: %s", got.out)
	}
}

func TestProduceSaysWhichLinesWent(t *testing.T) {
	s := newConsole(t)
	lines := strings.Join([]string{
		event("e-1"),
		strings.Replace(event("e-2"), "auth-service", "mail-service", 1),
		"",
		`{"key":"k","headers":{"b":"1","a":"2"},"value":` + event("e-4") + `}`,
		"not json",
		`{"tombstone":true,"key":"k"}`,
		`{"key":"/w==","key_encoding":"base64","headers":[{"key":"h","value":null}],"value":` + event("e-7") + `}`,
		`{"key":"k","key_encoding":"rot13","value":{}}`,
		event("e-9"),
	}, "\n")
	file := filepath.Join(s.dir, "in.ndjson")
	if err := os.WriteFile(file, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	dry := s.run("produce", registered, "-f", file, "--dry-run", "-o", "json", "--jq", ".acked_lines")
	dry.want(t, 1, "1,4,7,9\n", "in.ndjson:5:2: ")
	if got := s.run("consume", registered, "--until", "now"); got.out != "" {
		t.Fatalf("a dry run produced %s", got.out)
	}
	got := s.run("produce", registered, "-f", file)
	got.want(t, 1, "1,4,7,9", "4 of 8 events were not produced")
	for _, line := range []string{"in.ndjson:2: ", "in.ndjson:5:2: ", "in.ndjson:6: ", "in.ndjson:8:8: "} {
		got.want(t, 1, "", line)
	}
	stored := s.run("consume", registered, "--until", "now")
	if strings.Count(stored.out, "\n") != 4 || !strings.Contains(stored.out, `"headers":[{"key":"b","value":"1"},{"key":"a","value":"2"}]`) ||
		!strings.Contains(stored.out, `"key":"/w==","key_encoding":"base64"`) {
		t.Errorf("stored: %s", stored.out)
	}
	again := s.runWith(s.ctx, stored.out, func(*iostreams.IOStreams) {}, "produce", registered)
	again.want(t, 0, "1-4", "")
	s.run("produce", registered, "-f", filepath.Join(s.dir, "missing")).want(t, 2, "", "no file")
	s.runWith(s.ctx, event("e-1"), func(*iostreams.IOStreams) {}, "produce", "dev.auth-service.user-registred.v1").want(t, 1, "", "did you mean "+registered)
	s.runWith(s.ctx, strings.Replace(event("e-1"), `"n"`, `"pad":"`+strings.Repeat("x", 2<<20)+`","n"`, 1), func(*iostreams.IOStreams) {}, "produce", registered).want(t, 1, "", "MESSAGE_TOO_LARGE")
}

func TestConsumeFilters(t *testing.T) {
	s := newConsole(t)
	s.put(&kgo.Record{Key: []byte("a"), Value: []byte(event("e-1"))},
		&kgo.Record{Key: []byte("b"), Value: []byte(strings.Replace(event("e-2"), "user-registered", "user\\u002dregistered", 1))},
		&kgo.Record{Key: []byte("a"), Value: []byte(`"user-registered"`)},
		&kgo.Record{Key: []byte("a"), Value: []byte{0xff}},
		&kgo.Record{Key: []byte("a")})
	for args, want := range map[string]int{
		"":                               5,
		"-n 3":                           3,
		"--key a":                        4,
		"--key ab":                       0,
		"--type user-registered":         2,
		"--type user-registered --key a": 1,
		"--where .value.data.n==9007199254740993": 2,
		"--where .tombstone":                      1,
		"--where .value_encoding==\"base64\"":     1,
		"--from 3":                                2,
		"--until 2":                               2,
		"--from now":                              0,
		"--where .value.meta.id==\"e-2\" --type user-registered": 1,
	} {
		full := append([]string{"consume", registered, "-o", "json", "--until", "now"}, strings.Fields(args)...)
		got := s.run(full...)
		if n := strings.Count(got.out, `"offset":`); n != want || got.err != nil {
			t.Errorf("%s: got %d records, want %d (%v)\n%s", args, n, want, got.err, got.out)
		}
	}
	s.run("consume", registered, "--until", "now", "--where", ".value.meta.id").want(t, 0, "", "--where failed on 2 records")
	for args, why := range map[string]string{
		"--where .[":                   "--where",
		"--from yesterday":             "--from",
		"--until 2999-01-01T00:00:00Z": "lies ahead",
		"-o yaml":                      "unknown output format",
		"-n -1":                        "negative",
	} {
		s.run(append([]string{"consume", registered}, strings.Fields(args)...)...).want(t, 2, "", why)
	}
	s.run("consume", registered+"x", "--until", "now").want(t, 1, "", "did you mean "+registered)
}

// evil would colour, clear, retitle or reorder a terminal.
const evil = "\x1b]0;owned\x07\x1b[2Jred\x9b31m\u202egnp"

func TestEscapesNeverReachATerminal(t *testing.T) {
	s := newConsole(t)
	s.put(&kgo.Record{Key: []byte(evil), Value: []byte(evil), Headers: []kgo.RecordHeader{{Key: evil, Value: []byte(evil)}}},
		&kgo.Record{Value: []byte("\"\u202e\u009b31m\"")})
	for _, format := range []string{"ndjson", "json", "table", "raw"} {
		onTTY := s.runWith(s.ctx, "", func(ios *iostreams.IOStreams) { ios.SetTTY(true, true, true) }, "consume", registered, "--until", "now", "-o", format)
		if onTTY.err != nil || strings.ContainsAny(onTTY.out, "\x1b\x07\u202e\u009b") {
			t.Errorf("%s on a terminal: %q, %v", format, onTTY.out, onTTY.err)
		}
	}
	if off := s.run("consume", registered, "--until", "now", "-o", "raw"); !strings.Contains(off.out, evil) {
		t.Errorf("off a terminal the bytes were changed: %q", off.out)
	}
}

// closedPipe is a reader like head: it takes so much and goes.
type closedPipe struct {
	bytes.Buffer
	room int
}

func (p *closedPipe) Write(b []byte) (int, error) {
	if p.room <= 0 {
		return 0, &os.PathError{Op: "write", Path: "|1", Err: syscall.EPIPE}
	}
	n := min(len(b), p.room)
	p.room -= n
	return p.Buffer.Write(b[:n])
}

func TestConsumeEndsQuietlyWhenItsReaderGoes(t *testing.T) {
	s := newConsole(t)
	var records []*kgo.Record
	for i := range 5000 {
		records = append(records, &kgo.Record{Value: []byte(event(fmt.Sprint(i)))})
	}
	s.put(records...)
	pipe := &closedPipe{room: 300_000}
	got := s.runWith(s.ctx, "", func(ios *iostreams.IOStreams) { ios.Out = pipe }, "consume", registered, "--until", "now", "-o", "raw")
	if got.code != 0 || got.errOut != "" {
		t.Fatalf("code %d, stderr %q, %v", got.code, got.errOut, got.err)
	}
	lines := strings.Split(pipe.String(), "\n")
	for i, line := range lines[:len(lines)-1] {
		if line != event(fmt.Sprint(i)) {
			t.Fatalf("line %d is %q", i, line)
		}
	}
}

func TestInterrupts(t *testing.T) {
	s := newConsole(t)
	s.put(&kgo.Record{Value: []byte(event("e-1"))})
	interrupted := func() (context.Context, context.CancelCauseFunc) { return context.WithCancelCause(s.ctx) }

	ctx, cancel := interrupted()
	cancel(failure.ErrInterrupted)
	for _, args := range [][]string{{"topics", "list"}, {"consume", registered}, {"produce", registered}} {
		got := s.runWith(ctx, "", func(*iostreams.IOStreams) {}, args...)
		got.want(t, 130, "", "connect to Kafka at "+s.brokers+": interrupted")
		if strings.Contains(got.errOut, "the next ones are") {
			t.Errorf("%q says where to go on, and has not begun: %s", args, got.errOut)
		}
	}

	ctx, cancel = interrupted()
	seen := writerFunc(func(b []byte) (int, error) { cancel(failure.ErrInterrupted); return len(b), nil })
	got := s.runWith(ctx, "", func(ios *iostreams.IOStreams) { ios.Out = seen }, "consume", registered)
	got.want(t, 130, "", "records read: 1; the next ones are partition 0 at 1, 1 at 0")

	for i, compress := range []func(io.Writer) flusher{
		func(w io.Writer) flusher { return bufio.NewWriter(w) },
		func(w io.Writer) flusher { return gzip.NewWriter(w) },
		func(w io.Writer) flusher { z, _ := zstd.NewWriter(w); return z },
	} {
		ctx, cancel = interrupted()
		in, pipe := io.Pipe()
		done := make(chan ran, 1)
		go func() {
			done <- s.runWith(ctx, "", func(ios *iostreams.IOStreams) { ios.In = in }, "produce", registered)
		}()
		lines := compress(pipe)
		fmt.Fprintf(lines, "%s\n\n", event("e-2"))
		_ = lines.Flush()
		for strings.Count(s.run("consume", registered, "--until", "now").out, "\n") < 2+i {
			if s.ctx.Err() != nil {
				t.Fatal("the line never went out")
			}
		}
		cancel(failure.ErrInterrupted)
		(<-done).want(t, 130, "ACKED:    1", "interrupted")
		_ = pipe.Close()
	}
}

type flusher interface {
	io.Writer
	Flush() error
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func TestRefusedBrokerIsKnownAtOnce(t *testing.T) {
	s := newConsole(t)
	s.brokers = "127.0.0.1:1"
	for _, args := range [][]string{{"topics", "list"}, {"consume", registered}, {"emit", "user-registered", "--service", "auth-service", "--data", "{}"}} {
		began := time.Now()
		got := s.run(args...)
		got.want(t, 1, "", "connection refused")
		if hint := failure.Hint(got.err); !strings.Contains(hint, "is Kafka running") || time.Since(began) > 2*time.Second {
			t.Errorf("%v: after %s, hint %q", args, time.Since(began), hint)
		}
	}
}

func TestEveryVerbCompletesTopics(t *testing.T) {
	s := newConsole(t)
	for _, verb := range []string{"consume", "produce"} {
		got := s.run(cobra.ShellCompNoDescRequestCmd, verb, "dev.a")
		if !strings.HasPrefix(got.out, registered+"\n") {
			t.Errorf("%s: %q, %v", verb, got.out, got.err)
		}
	}
}
