package kv_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/goleak"

	cmd "github.com/suokelife/suokectl/cmd/discover/kv"
	"github.com/suokelife/suokectl/internal/app"
	"github.com/suokelife/suokectl/internal/clitest"
	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/internal/lab/consul"
	"github.com/suokelife/suokectl/pkg/discover"
)

func TestMain(m *testing.M) { clitest.Main(m) }

func TestScripts(t *testing.T) { clitest.Scripts(t, "testdata/script") }

// terminal is a factory whose context is the Consul at an address, with its streams.
type terminal struct {
	*app.Factory
	in, out, errOut *bytes.Buffer
}

func newTerminal(t *testing.T, address string, variables ...string) *terminal {
	t.Helper()
	ios, in, out, errOut := iostreams.Test()
	env := map[string]string{"HOME": t.TempDir(), "SUOKECTL_CONSUL_ADDRESS": address}
	for _, variable := range variables {
		name, value, _ := strings.Cut(variable, "=")
		env[name] = value
	}
	f := &app.Factory{IO: ios, Getenv: func(name string) string { return env[name] }, Dir: t.TempDir()}
	t.Cleanup(func() { _ = f.Close() }) // idle connections only
	return &terminal{Factory: f, in: in, out: out, errOut: errOut}
}

// run runs `suokectl kv` with the arguments.
func (f *terminal) run(ctx context.Context, args ...string) error {
	root := &cobra.Command{Use: "suokectl", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(cmd.NewCmdKV(f.Factory))
	root.SetArgs(append([]string{"kv"}, args...))
	root.SetOut(f.out)
	root.SetErr(f.errOut)
	f.out.Reset()
	f.errOut.Reset()
	return root.ExecuteContext(ctx)
}

func (f *terminal) must(t *testing.T, args ...string) string {
	t.Helper()
	if err := f.run(t.Context(), args...); err != nil {
		t.Fatalf("%v: %v", args, err)
	}
	return f.out.String()
}

// keys is a Consul with these keys.
func keys(t *testing.T, values map[string]string) (address string, kv discover.KV) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	server, err := consul.Start(consul.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	client, err := discover.New(discover.Config{Address: server.Addr()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() }) // never fails
	for key, value := range values {
		if err := client.KV().Put(t.Context(), discover.Entry{Key: key, Value: []byte(value)}); err != nil {
			t.Fatal(err)
		}
	}
	return server.Addr(), client.KV()
}

func TestGet(t *testing.T) {
	address, _ := keys(t, map[string]string{"text": "\x1b[31mred\x1b[0m\n", "binary": "\x00\xff\x01", "empty": ""})
	f := newTerminal(t, address)
	for key, want := range map[string]string{"text": "\x1b[31mred\x1b[0m\n", "binary": "\x00\xff\x01", "empty": ""} {
		if got := f.must(t, "get", key); got != want || f.errOut.Len() > 0 {
			t.Errorf("%s: %q %s", key, got, f.errOut)
		}
	}
	var got struct {
		Key, Value, Encoding, Session string
		ModifyIndex                   uint64 `json:"modify_index"`
	}
	if err := json.Unmarshal([]byte(f.must(t, "get", "binary", "-o", "json")), &got); err != nil {
		t.Fatal(err)
	}
	if got.Value != "AP8B" || got.Encoding != "base64" || got.ModifyIndex == 0 || got.Key != "binary" {
		t.Errorf("got %+v", got)
	}
	f.IO.SetTTY(true, true, true)
	if got := f.must(t, "get", "text"); got != "red\n" {
		t.Errorf("on a terminal: %q", got)
	}
	err := f.run(t.Context(), "get", "binary")
	if err == nil || err.Error() != `the value of "binary" is 3 bytes of binary data, which a terminal does not take` ||
		failure.Hint(err) != "send it to a file with >, or use -o json" || f.out.Len() > 0 {
		t.Errorf("got %v %s", err, f.out)
	}
}

func TestMisuse(t *testing.T) {
	f := newTerminal(t, "127.0.0.1:1")
	for _, row := range []struct {
		args []string
		want string
	}{
		{[]string{"get", ""}, `key "" is empty`},
		{[]string{"get", "/a"}, `begins with a slash`},
		{[]string{"list", "a//b"}, `two slashes in a row`},
		{[]string{"put", "../a", "x"}, `has ".." between slashes`},
		{[]string{"put", "a\tb", "x", "--dry-run"}, "cannot be printed"},
		{[]string{"delete", "a/./b"}, `has "." between slashes`},
		{[]string{"delete", "", "--tree"}, "--tree wants a folder"},
		{[]string{"watch", "/a"}, `begins with a slash`},
		{[]string{"diff", "/a", "."}, `begins with a slash`},
		{[]string{"get", "a", "-o", "soap"}, `unknown output format "soap"`},
	} {
		err := f.run(t.Context(), row.args...)
		if failure.Code(t.Context(), err) != 2 || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%q: %v", row.args, err)
		}
	}
	for _, args := range [][]string{{"get", "k"}, {"list"}, {"put", "k", "v"}, {"put", "k", "v", "--dry-run"}, {"delete", "k"}, {"delete", "k", "--tree"}, {"diff", "k", "."}} {
		err := f.run(t.Context(), args...)
		if failure.Code(t.Context(), err) != 1 || !strings.Contains(err.Error(), "Consul at 127.0.0.1:1: connection refused") {
			t.Errorf("%s: %v", args, err)
		}
	}
}

func TestPutSources(t *testing.T) {
	address, kv := keys(t, nil)
	f := newTerminal(t, address)
	file := filepath.Join(t.TempDir(), "value")
	if err := os.WriteFile(file, []byte("from a file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		in, want string
		args     []string
	}{
		{"from stdin\n", "from stdin\n", []string{"-"}},
		{"\x00\xff", "\x00\xff", nil},
		{"", "given", []string{"given"}},
		{"", "from a file\n", []string{"@" + file}},
		{"", "", nil},
	} {
		f.in.WriteString(row.in)
		if out := f.must(t, append([]string{"put", "k 键"}, row.args...)...); out != "" || !strings.Contains(f.errOut.String(), `"k 键" written (`) {
			t.Errorf("%q: printed %q, said %q", row.args, out, f.errOut)
		}
		if entry, err := kv.Get(t.Context(), "k 键"); err != nil || string(entry.Value) != row.want {
			t.Errorf("%q: %q, %v", row.args, entry.Value, err)
		}
	}
	want := `{"key":"k","kind":"written","bytes":6,"flags":9,"dry_run":false}` + "\n"
	if out := f.must(t, "put", "k", "secret", "--flags", "9", "-o", "ndjson"); out != want || f.errOut.Len() > 0 {
		t.Errorf("printed %q, said %q", out, f.errOut)
	}
}

func TestPutTooLarge(t *testing.T) {
	address, _ := keys(t, nil)
	f := newTerminal(t, address)
	file := filepath.Join(t.TempDir(), "value")
	if err := os.WriteFile(file, make([]byte, discover.MaxValue+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"@" + file}, {"-"}, {"@" + file, "--dry-run"}} {
		f.in.Write(make([]byte, discover.MaxValue+1))
		err := f.run(t.Context(), append([]string{"put", "k"}, args...)...)
		if err == nil || !strings.Contains(err.Error(), "the value is too large: Consul keeps at most 524288 bytes") {
			t.Errorf("%q: %v", args, err)
		}
	}
	if err := f.run(t.Context(), "put", "k", "@"+file+"x"); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("got %v", err)
	}
	f.in.Reset()
	f.in.Write(make([]byte, discover.MaxValue))
	f.must(t, "put", "k")
}

func TestPutCas(t *testing.T) {
	address, kv := keys(t, map[string]string{"k": "1"})
	f := newTerminal(t, address)
	entry, err := kv.Get(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	index := fmt.Sprint(entry.ModifyIndex)
	f.must(t, "put", "new", "x", "--cas", "0")
	f.must(t, "put", "k", "2", "--cas", index, "--dry-run")
	f.must(t, "put", "k", "2", "--cas", index)
	for _, args := range [][]string{
		{"put", "new", "y", "--cas", "0"},
		{"put", "new", "y", "--cas", "0", "--dry-run"},
		{"put", "k", "3", "--cas", index},
		{"put", "k", "3", "--cas", index, "--dry-run"},
		{"put", "none", "3", "--cas", "7"},
		{"delete", "k", "--cas", index},
		{"delete", "k", "--cas", "0", "--dry-run"},
	} {
		err := f.run(t.Context(), args...)
		if failure.Code(t.Context(), err) != 1 || !strings.Contains(failure.Hint(err), "nothing was changed") || f.out.Len() > 0 {
			t.Errorf("%q: %v, %s", args, err, f.out)
		}
	}
	if got := f.must(t, "get", "k") + f.must(t, "get", "new"); got != "2x" {
		t.Errorf("values are %q", got)
	}
}

func TestPutDryRun(t *testing.T) {
	address, _ := keys(t, map[string]string{"k": "one\ntwo\n", "b": "\x00"})
	f := newTerminal(t, address)
	for _, row := range []struct{ key, value, out, talk string }{
		{"k", "one\nthree\n", "diff consul:k new:k\n--- consul:k\n+++ new:k\n@@ -1,2 +1,2 @@\n one\n-two\n+three\n", `"k" would be changed (10 bytes); nothing was written`},
		{"new", "x", "diff consul:new new:new\n--- consul:new\n+++ new:new\n@@ -0,0 +1,1 @@\n+x\n\\ No newline at end of file\n", `"new" would be added (1 byte); nothing was written`},
		{"new", "", "empty value of \"new\" added\n", `"new" would be added (0 bytes); nothing was written`},
		{"k", "one\ntwo\n", "", `"k" would be unchanged (8 bytes); nothing was written`},
		{"b", "text", "binary value of \"b\" changed: 1 byte, then 4 bytes\n", `"b" would be changed (4 bytes); nothing was written`},
	} {
		if out := f.must(t, "put", row.key, row.value, "--dry-run"); out != row.out || f.errOut.String() != row.talk+"\n" {
			t.Errorf("%s: printed %q, said %q", row.key, out, f.errOut)
		}
	}
	if out := f.must(t, "put", "k", "one\ntwo\n", "--flags", "3", "--dry-run"); out != "flags of \"k\" changed\n" {
		t.Errorf("flags: %q", out)
	}
	if got := f.must(t, "list", "-o", "name"); got != "b\nk\n" {
		t.Errorf("keys are %q", got)
	}
	f.IO.SetTTY(true, true, true)
	f.IO.SetColor(true)
	if out := f.must(t, "put", "k", "\x1b[2Jx", "--dry-run"); strings.Contains(out, "\x1b[2J") || !strings.Contains(out, "+x") || !strings.Contains(out, "\x1b[") {
		t.Errorf("on a terminal: %q", out)
	}
}

func TestProtected(t *testing.T) {
	address, _ := keys(t, map[string]string{"app/k": "1"})
	f := newTerminal(t, "")
	dir := t.TempDir()
	config := "contexts:\n  live:\n    protected: true\n    consul: {address: \"" + address + "\"}\ncurrent_context: live\n"
	if err := os.MkdirAll(filepath.Join(dir, "suokectl"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "suokectl", "config.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	f.Getenv = func(name string) string { return map[string]string{"HOME": dir, "XDG_CONFIG_HOME": dir}[name] }
	for _, row := range []struct{ args, what string }{
		{"put app/k 2", `write 1 byte to the key "app/k"`},
		{"delete app/k", `delete the key "app/k"`},
		{"delete app --tree", `delete 1 key under "app/"`},
	} {
		err := f.run(t.Context(), strings.Fields(row.args)...)
		if failure.Code(t.Context(), err) != 2 || !strings.Contains(err.Error(), row.what) {
			t.Errorf("%s: %v", row.args, err)
		}
		if err := f.run(t.Context(), append(strings.Fields(row.args), "--dry-run")...); err != nil {
			t.Errorf("%s --dry-run: %v", row.args, err)
		}
	}
	if got := f.must(t, "get", "app/k"); got != "1" {
		t.Errorf("value is %q", got)
	}
	f.ConfirmName = "live"
	f.must(t, "put", "app/k", "2")
}

func TestDelete(t *testing.T) {
	address, _ := keys(t, map[string]string{"app": "", "app/a": "", "app/b/c": "", "apple": ""})
	f := newTerminal(t, address)
	if out := f.must(t, "delete", "app", "--tree", "--dry-run", "-o", "ndjson"); out != `{"key":"app/a","dry_run":true}`+"\n"+`{"key":"app/b/c","dry_run":true}`+"\n" {
		t.Errorf("plan: %q", out)
	}
	if out := f.must(t, "delete", "app", "--tree"); out != "KEY\napp/a\napp/b/c\n" || f.errOut.String() != "2 keys deleted\n" {
		t.Errorf("printed %q, said %q", out, f.errOut)
	}
	if out := f.must(t, "delete", "app"); out != "KEY\napp\n" || f.errOut.String() != "1 key deleted\n" {
		t.Errorf("printed %q, said %q", out, f.errOut)
	}
	if out := f.must(t, "list", "-o", "name"); out != "apple\n" {
		t.Errorf("left: %q", out)
	}
	for _, args := range []string{"delete app", "delete app --tree", "get app"} {
		err := f.run(t.Context(), strings.Fields(args)...)
		if failure.Code(t.Context(), err) != 1 || !strings.HasPrefix(err.Error(), `Consul has no key "app`) || failure.Hint(err) == "" {
			t.Errorf("%s: %v", args, err)
		}
	}
	if err := f.run(t.Context(), "delete", "x", "--tree", "--cas", "1"); err == nil {
		t.Error("--tree with --cas is let in")
	}
}

func TestList(t *testing.T) {
	many := map[string]string{}
	for i := range 10_000 {
		many[fmt.Sprintf("many/%05d", i)] = ""
	}
	many["a/b"] = "secret"
	address, _ := keys(t, many)
	f := newTerminal(t, address)
	if out := f.must(t, "list", "--separator", "/", "-o", "ndjson"); out != `{"key":"a/","folder":true}`+"\n"+`{"key":"many/","folder":true}`+"\n" {
		t.Errorf("folders: %q", out)
	}
	out := f.must(t, "list", "-o", "wide")
	if strings.Count(out, "\n") != 10_002 || !strings.HasPrefix(out, "KEY") || strings.Contains(out, "secret") {
		t.Errorf("%d lines", strings.Count(out, "\n"))
	}
	if out := f.must(t, "list", "nothing"); out != "" || f.errOut.String() != "Consul has no keys that begin with \"nothing\"\n" {
		t.Errorf("printed %q, said %q", out, f.errOut)
	}
}

func TestHiddenKeys(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Consul-LastContact", "0")
		w.Header().Set("X-Consul-KnownLeader", "true")
		w.Header().Set("X-Consul-Results-Filtered-By-ACLs", "true")
		if r.URL.Query().Has("recurse") {
			_, _ = w.Write([]byte(`[{"Key": "app/seen", "Value": ""}]`))
			return
		}
		_, _ = w.Write([]byte(`["app/seen"]`))
	}))
	defer server.Close()
	f := newTerminal(t, server.URL)
	for args, out := range map[string]string{"list app/ -o name": "app/seen\n", "delete app --tree": "", "diff app .": ""} {
		err := f.run(t.Context(), strings.Fields(args)...)
		if failure.Code(t.Context(), err) != 1 || !strings.Contains(err.Error(), "ACLs hide a part of the reply") || f.out.String() != out {
			t.Errorf("%s: %v, %q", args, err, f.out)
		}
	}
}

func TestDiff(t *testing.T) {
	address, _ := keys(t, map[string]string{"app/same": "1", "app/both": "x", "app/both/b": "y", "app/old": "gone\n", "app/bin": "\x00"})
	dir := t.TempDir()
	for name, text := range map[string]string{"same": "1", "both/%self": "x", "both/b": "y2", "bin": "\x01", "new": "", ".git": "no"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f := newTerminal(t, address)
	err := f.run(t.Context(), "diff", "app", dir)
	want := "binary value of \"app/bin\" changed: 1 byte, then 1 byte\n" +
		"diff consul:app/both/b folder:app/both/b\n--- consul:app/both/b\n+++ folder:app/both/b\n@@ -1,1 +1,1 @@\n-y\n\\ No newline at end of file\n+y2\n\\ No newline at end of file\n" +
		"empty value of \"app/new\" added\n" +
		"diff consul:app/old folder:app/old\n--- consul:app/old\n+++ folder:app/old\n@@ -1,1 +0,0 @@\n-gone\n"
	if failure.Code(t.Context(), err) != 100 || f.out.String() != want || f.errOut.String() != "1 added, 2 changed, 1 removed\n" {
		t.Errorf("%v\n%s\n%s", err, f.out, f.errOut)
	}
	err = f.run(t.Context(), "diff", "app/", dir, "-o", "ndjson")
	want = `{"key":"app/bin","kind":"changed","binary":true,"old_bytes":1,"new_bytes":1}
{"key":"app/both/b","kind":"changed","binary":false,"old_bytes":1,"new_bytes":2}
{"key":"app/new","kind":"added","binary":false,"old_bytes":0,"new_bytes":0}
{"key":"app/old","kind":"removed","binary":false,"old_bytes":5,"new_bytes":0}
`
	if failure.Code(t.Context(), err) != 100 || f.out.String() != want {
		t.Errorf("%v\n%s", err, f.out)
	}
	if err := f.run(t.Context(), "diff", "app", filepath.Join(dir, "none")); failure.Code(t.Context(), err) != 1 {
		t.Errorf("got %v", err)
	}
}

// lines passes on what is written, line by line.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	for line := range strings.Lines(string(p)) {
		l <- strings.TrimSuffix(line, "\n")
	}
	return len(p), nil
}

func (l lines) next(t *testing.T) string {
	t.Helper()
	select {
	case line := <-l:
		return line
	case <-time.After(20 * time.Second):
		t.Fatal("nothing is printed")
		return ""
	}
}

func TestWatch(t *testing.T) {
	address, kv := keys(t, map[string]string{"app/k": "secret"})
	f := newTerminal(t, address)
	printed := make(lines, 100)
	f.IO.Out = printed
	got := filepath.Join(t.TempDir(), "got")
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- f.run(ctx, "watch", "app/", "-o", "ndjson", "--exec", `printf '%s %s ' "$SUOKECTL_CHANGE" "$SUOKECTL_KEY" >>'`+got+`'; cat >>'`+got+`'; echo >>'`+got+`'`)
	}()
	change := func(do func() error, want string) {
		t.Helper()
		if err := do(); err != nil {
			t.Fatal(err)
		}
		var e struct{ Type, Key, Value, Encoding string }
		if err := json.Unmarshal([]byte(printed.next(t)), &e); err != nil {
			t.Fatal(err)
		}
		if text := fmt.Sprint(e); text != want {
			t.Fatalf("got %s, want %s", text, want)
		}
	}
	put := func(key, value string) func() error {
		return func() error { return kv.Put(t.Context(), discover.Entry{Key: key, Value: []byte(value)}) }
	}
	change(func() error { return nil }, "{present app/k secret utf-8}")
	change(put("app/k", "two"), "{changed app/k two utf-8}")
	change(put("app/b", "\xff"), "{added app/b /w== base64}")
	change(func() error { return kv.Delete(t.Context(), "app/k") }, "{removed app/k  utf-8}")
	change(put("app/c", "last"), "{added app/c last utf-8}")
	cancel(failure.ErrTimeout)
	if err := <-done; failure.Code(ctx, err) != 124 {
		t.Errorf("ended with %v", err)
	}
	text, err := os.ReadFile(got)
	want := "present app/k secret\nchanged app/k two\nadded app/b \xff\nremoved app/k \n"
	if err != nil || !strings.HasPrefix(string(text), want) {
		t.Errorf("commands got %q, %v", text, err)
	}
}

func TestWatchLines(t *testing.T) {
	address, kv := keys(t, map[string]string{"k": "secret"})
	f := newTerminal(t, address)
	printed := make(lines, 100)
	f.IO.Out = printed
	talk := make(lines, 100)
	f.IO.ErrOut = talk
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.run(ctx, "watch", "k", "--exec", "cat >&2; exit 3") }()
	for _, want := range []string{" present  k (6 bytes, index ", " changed  k (4 bytes, index ", " removed  k"} {
		line := printed.next(t)
		if !strings.Contains(line, want) || strings.Contains(line, "secret") {
			t.Fatalf("printed %q, want %q", line, want)
		}
		for said := ""; !strings.Contains(said, `--exec failed for "k": exit status 3`); {
			said = talk.next(t)
		}
		switch {
		case strings.Contains(line, "present"):
			_ = kv.Put(t.Context(), discover.Entry{Key: "k", Value: []byte("more")})
		case strings.Contains(line, "changed"):
			_ = kv.Delete(t.Context(), "k")
		}
	}
	cancel(failure.ErrInterrupted)
	if err := <-done; failure.Code(ctx, err) != 130 {
		t.Errorf("ended with %v", err)
	}
}

// TestWatchWithoutAnAnswer: what cannot be asked at all is an error at once; what is not there may come.
func TestWatchWithoutAnAnswer(t *testing.T) {
	f := newTerminal(t, "127.0.0.1:1")
	err := f.run(t.Context(), "watch", "k")
	if failure.Code(t.Context(), err) != 1 || !strings.Contains(err.Error(), `read the key "k": Consul at 127.0.0.1:1: connection refused`) {
		t.Errorf("got %v", err)
	}

	address, kv := keys(t, map[string]string{"k": "secret"})
	f = newTerminal(t, address)
	talk, printed := make(lines, 100), make(lines, 100)
	f.IO.ErrOut, f.IO.Out = talk, printed
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.run(ctx, "watch", "later/") }()
	if line := talk.next(t); line != "watching later/: nothing is there yet" {
		t.Errorf("said %q", line)
	}
	if err := kv.Put(ctx, discover.Entry{Key: "later/k"}); err != nil {
		t.Fatal(err)
	}
	if line := printed.next(t); !regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ added    later/k `).MatchString(line) {
		t.Errorf("printed %q", line)
	}
	cancel(failure.ErrTimeout)
	if err := <-done; failure.Code(ctx, err) != 124 {
		t.Errorf("ended with %v", err)
	}
}

func TestCompletion(t *testing.T) {
	address, _ := keys(t, map[string]string{"app/a": "", "app/b/c": "", "user": ""})
	for _, row := range []struct {
		args []string
		want string
	}{
		{[]string{"get", ""}, "app/ user :4"},
		{[]string{"get", "a"}, "app/ :6"},
		{[]string{"delete", "app/"}, "app/a app/b/ :4"},
		{[]string{"watch", "app/b"}, "app/b/ :6"},
		{[]string{"list", "app/b/"}, "app/b/c :4"},
		{[]string{"put", "none/"}, ":4"},
		{[]string{"put", "user", ""}, ":4"},
		{[]string{"get", "/"}, ":4"},
		{[]string{"diff", "app/", ""}, ":16"},
		{[]string{"list", "--separator", ""}, "/ :4"},
	} {
		f := newTerminal(t, address)
		root := &cobra.Command{Use: "suokectl"}
		root.AddCommand(cmd.NewCmdKV(f.Factory))
		root.SetArgs(append([]string{cobra.ShellCompRequestCmd, "kv"}, row.args...))
		root.SetOut(f.out)
		root.SetErr(f.errOut)
		if err := root.ExecuteContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(strings.Fields(f.out.String()), " "); got != row.want {
			t.Errorf("%v: got %q, want %q", row.args, got, row.want)
		}
	}
}

// TestWatchThroughWipe: an agent that is gone, and comes back with nothing remembered.
func TestWatchThroughWipe(t *testing.T) {
	server, err := consul.Start(consul.Options{})
	if err != nil {
		t.Fatal(err)
	}
	f := newTerminal(t, server.Addr())
	f.must(t, "put", "k", "1")
	printed := make(lines, 100)
	f.IO.Out = printed
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.run(ctx, "watch", "k", "-o", "ndjson") }()
	next := func(want string) {
		t.Helper()
		var e struct {
			Type, Key, Error string
			Age              float64 `json:"age_seconds"`
		}
		for e.Type == "" || e.Type == "stale" && want != "stale" { // an outage may have more than one cause
			if err := json.Unmarshal([]byte(printed.next(t)), &e); err != nil {
				t.Fatal(err)
			}
		}
		if e.Type != want || (e.Error != "") != (want == "stale") || (e.Age > 0) != (want == "stale") {
			t.Fatalf("got %+v, want %s", e, want)
		}
	}
	next("present")
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	next("stale")
	again, err := consul.Start(consul.Options{Addr: server.Addr()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = again.Close() })
	next("fresh")
	next("removed")
	cancel(failure.ErrInterrupted)
	if err := <-done; failure.Code(ctx, err) != 130 {
		t.Errorf("ended with %v", err)
	}
}
