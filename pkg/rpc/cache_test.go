package rpc_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/suokelife/suokectl/pkg/rpc"
)

// buy calls Buy of the shop.
func buy(t *testing.T, ch *rpc.Channel, body string) (*rpc.Call, error) {
	t.Helper()
	return ch.Call(t.Context(), rpc.Request{Method: "shop.v1.Shop/Buy", Body: strings.NewReader(body)})
}

// age makes a file of the cache as old as one that is asked about.
func age(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "call-shop.v1.Shop.Buy")
	old := time.Now().Add(-2 * time.Hour)
	if err := os.Chtimes(path, old, old); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAKnownMethodIsCalledWithoutAQuestion(t *testing.T) {
	server, dir := &defined{}, t.TempDir()
	address := server.start(t, shop(""))
	for i, want := range []string{rpc.FromServer, rpc.FromCache} {
		before, _ := server.counts()
		ch := dial(t, rpc.Config{Target: address, DescriptorCache: dir})
		call, err := buy(t, ch, `{"item":"tea","price":{"cents":"250"},"at":"2026-01-02T03:04:05Z","size":"SIZE_SMALL"}`)
		if err != nil || call.Err() != nil || call.Descriptors.Origin != want {
			t.Fatalf("call %d: %+v, %v", i, call, err)
		}
		if got := string(call.Messages[0]); got != `{"item":"tea","price":{"cents":"250"},"at":"2026-01-02T03:04:05Z","size":"SIZE_SMALL"}` {
			t.Errorf("answer = %s", got)
		}
		if after, _ := server.counts(); i == 1 && after != before {
			t.Errorf("%d questions were asked although the definition was young", after-before)
		}
	}
	path := filepath.Join(dir, "call-shop.v1.Shop.Buy")
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode = %v, %v", info.Mode(), err)
	}
	b, _ := os.ReadFile(path)
	for _, other := range []string{"Sell", "Unused", "Gold", "Till"} {
		if strings.Contains(string(b), other) {
			t.Errorf("the definition of Buy has %s in it", other)
		}
	}
}

func TestACachedDefinitionIsRevalidatedWhileTheCallRuns(t *testing.T) {
	server, dir := &defined{}, t.TempDir()
	address := server.start(t, shop(""))
	ch := dial(t, rpc.Config{Target: address, DescriptorCache: dir})
	if _, err := buy(t, ch, `{}`); err != nil {
		t.Fatal(err)
	}
	path := age(t, dir)
	for range 50 { // on a busy machine an answer may come after the call
		if _, err := buy(t, ch, `{}`); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(path); err != nil || time.Since(info.ModTime()) > time.Minute {
		t.Fatalf("it was not confirmed: %v, %v", info, err)
	}
	server.define(t, shop("string note = 7;"))
	age(t, dir)
	for range 50 {
		call, err := buy(t, ch, `{}`)
		if err != nil {
			t.Fatal(err)
		}
		if call.Descriptors.Origin == rpc.FromServer {
			return
		}
	}
	t.Error("a definition that no longer holds is kept")
}

// TestQuestionsTakeOneRoundTrip has a server that answers nothing before it has all
// questions about the many files of a definition.
func TestQuestionsTakeOneRoundTrip(t *testing.T) {
	const parts = 300
	sources := map[string]string{}
	var imports, fields strings.Builder
	for i := range parts {
		name := fmt.Sprintf("shop/v1/part%d.proto", i)
		sources[name] = fmt.Sprintf(`syntax = "proto3"; package shop.v1; message Part%d { string name = 1; }`, i)
		fmt.Fprintf(&imports, "import %q;", name)
		fmt.Fprintf(&fields, "Part%d part%d = %d;", i, i, i+1)
	}
	sources["shop/v1/shop.proto"] = fmt.Sprintf(`syntax = "proto3"; package shop.v1; %s
message Order { %s } service Shop { rpc Buy(Order) returns (Order); }`, imports.String(), fields.String())
	server, dir := &defined{}, t.TempDir()
	address := server.start(t, sources)
	if _, err := buy(t, dial(t, rpc.Config{Target: address, DescriptorCache: dir}), `{}`); err != nil {
		t.Fatal(err)
	}
	path := age(t, dir)
	server.mu.Lock()
	server.patience, server.pause = parts+1, 50*time.Millisecond // which is more than the call takes
	server.mu.Unlock()
	call, err := buy(t, dial(t, rpc.Config{Target: address, DescriptorCache: dir}), `{}`)
	if err != nil || call.Descriptors.Origin != rpc.FromCache {
		t.Fatal(call, err)
	}
	if info, err := os.Stat(path); err != nil || time.Since(info.ModTime()) > time.Minute {
		t.Errorf("an overdue definition was not confirmed: %v, %v", info.ModTime(), err)
	}
}

// Many calls are prepared by what the cache has when the server says that it holds,
// and by nothing else.
func TestAPreparedDefinitionHolds(t *testing.T) {
	server, dir := &defined{}, t.TempDir()
	address := server.start(t, shop(""))
	asked := func(body, want string) int {
		t.Helper()
		before, _ := server.counts()
		p, err := prepare(t, dial(t, rpc.Config{Target: address, DescriptorCache: dir}), rpc.Request{Method: "shop.v1.Shop/Buy"})
		if err != nil {
			t.Fatal(err)
		}
		call, err := p.Call(t.Context(), json.RawMessage(body), nil)
		if err != nil || call.Err() != nil || string(call.Messages[0]) != want {
			t.Errorf("%s became %+v, %v", body, call, err)
		}
		after, _ := server.counts()
		return after - before
	}
	asked(`{}`, `{}`)
	if n := asked(`{"item":"tea"}`, `{"item":"tea"}`); n != 0 {
		t.Errorf("%d questions were asked although the definition was young", n)
	}
	path := age(t, dir)
	if asked(`{"item":"tea"}`, `{"item":"tea"}`) == 0 {
		t.Error("an old definition was used unconfirmed")
	}
	if info, err := os.Stat(path); err != nil || time.Since(info.ModTime()) > time.Minute {
		t.Errorf("it was not confirmed: %v, %v", info, err)
	}
	age(t, dir)
	server.define(t, shop("string note = 7;"))
	asked(`{"note":"gift"}`, `{"note":"gift"}`)
}

func TestTheCacheIsBounded(t *testing.T) {
	root := t.TempDir()
	for i := range 10 {
		dir := filepath.Join(root, strconv.Itoa(i))
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "all"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		confirmed := time.Now().Add(-time.Duration(i) * time.Hour)
		if err := os.Chtimes(dir, confirmed, confirmed); err != nil {
			t.Fatal(err)
		}
	}
	if err := rpc.PruneDescriptorCache(root, 3); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(root + "/*"); len(left) != 3 || filepath.Base(left[2]) != "2" {
		t.Errorf("left are %q", left)
	}
	if err := rpc.PruneDescriptorCache(filepath.Join(root, "none"), 3); err != nil {
		t.Error(err)
	}
	if err := rpc.PruneDescriptorCache(filepath.Join(root, "0", "all"), 3); err == nil || !strings.Contains(err.Error(), "prune the cached descriptors") {
		t.Errorf("err = %v", err)
	}
	server, dir := &defined{}, t.TempDir()
	for i := range 300 { // as of names by which methods were asked for
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("call-old%d", i)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := buy(t, dial(t, rpc.Config{Target: server.start(t, shop("")), DescriptorCache: dir}), `{}`); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(dir + "/*"); len(left) != 256 || !slices.Contains(left, filepath.Join(dir, "call-shop.v1.Shop.Buy")) {
		t.Errorf("%d files are left of one target", len(left))
	}
}

func TestADefinitionIsFetchedAnewWhenTheCallNeedsIt(t *testing.T) {
	for name, c := range map[string]struct{ body, answer, want, note string }{
		"a new field in the request":  {`{"note":"gift"}`, "", `{"note":"gift"}`, "the request did not fit the cached definition"},
		"a new field in the response": {`{}`, `{"note":"sold"}`, `{"note":"sold"}`, "did not know all fields of the response"},
	} {
		t.Run(name, func(t *testing.T) {
			server, dir := &defined{}, t.TempDir()
			address := server.start(t, shop(""))
			if c.answer != "" {
				server.answer = answers(c.answer)
			}
			ch := dial(t, rpc.Config{Target: address, DescriptorCache: dir})
			if _, err := buy(t, ch, `{}`); err != nil {
				t.Fatal(err)
			}
			server.define(t, shop("string note = 7;"))
			call, err := buy(t, ch, c.body)
			if err != nil || call.Err() != nil {
				t.Fatal(err, call)
			}
			if string(call.Messages[0]) != c.want || !strings.Contains(call.Descriptors.Note, c.note) {
				t.Errorf("%s, %+v", call.Messages, call.Descriptors)
			}
			again, err := buy(t, ch, c.body)
			if err != nil || again.Descriptors != (rpc.DescriptorsUsed{Origin: rpc.FromCache}) || string(again.Messages[0]) != c.want {
				t.Errorf("the next call: %+v, %v", again, err)
			}
		})
	}
}

func TestAMethodThatIsGone(t *testing.T) {
	server, dir := &defined{}, t.TempDir()
	address := server.start(t, shop(""))
	ch := dial(t, rpc.Config{Target: address, DescriptorCache: dir})
	if _, err := buy(t, ch, `{}`); err != nil {
		t.Fatal(err)
	}
	renamed := shop("")
	renamed["shop/v1/shop.proto"] = strings.ReplaceAll(renamed["shop/v1/shop.proto"], "rpc Buy(", "rpc Buyy(")
	server.define(t, renamed)
	for range 2 {
		_, err := buy(t, ch, `{}`)
		var unknown *rpc.NotFoundError
		if !errors.As(err, &unknown) || !strings.Contains(err.Error(), "did you mean shop.v1.Shop/Buyy?") {
			t.Errorf("err = %v", err)
		}
	}
}

func TestATornCacheIsNoCache(t *testing.T) {
	server, dir := &defined{}, t.TempDir()
	address := server.start(t, shop(""))
	ch := dial(t, rpc.Config{Target: address, DescriptorCache: dir})
	if _, err := buy(t, ch, `{}`); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "call-shop.v1.Shop.Buy")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for cut := 0; cut < len(whole); cut += 29 {
		if err := os.WriteFile(path, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		if call, err := buy(t, ch, `{"item":"tea"}`); err != nil || call.Descriptors.Origin != rpc.FromServer {
			t.Fatalf("cut at %d: %+v, %v", cut, call, err)
		}
	}
	flipped := append([]byte{}, whole...)
	flipped[len(flipped)-5] ^= 0xff
	if err := os.WriteFile(path, flipped, 0o600); err != nil {
		t.Fatal(err)
	}
	if call, err := buy(t, ch, `{}`); err != nil || call.Descriptors.Origin != rpc.FromServer {
		t.Errorf("with a flipped byte: %+v, %v", call, err)
	}
	folder := filepath.Join(dir, "file")
	if err := os.WriteFile(folder, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	unwritable := dial(t, rpc.Config{Target: address, DescriptorCache: filepath.Join(folder, "below")})
	if _, err := buy(t, unwritable, `{}`); err != nil {
		t.Errorf("a cache that cannot be written fails the call: %v", err)
	}
}

func TestKeptDescriptorsOutliveTheServer(t *testing.T) {
	dir := t.TempDir()
	server := &defined{without: []string{"google/protobuf/any.proto", "google/protobuf/timestamp.proto"}}
	d := dial(t, rpc.Config{Target: server.start(t, shop("")), DescriptorCache: dir}).Reflect(t.Context())
	defer d.Close()
	if err := d.Keep(t.Context()); err != nil {
		t.Fatal(err)
	}
	kept, when, err := rpc.KeptDescriptors(dir)
	if err != nil || time.Since(when) > time.Minute {
		t.Fatal(when, err)
	}
	names, err := kept.Services()
	if err != nil || strings.Join(names, " ") != "shop.v1.Shop shop.v1.Till" {
		t.Errorf("services = %v, %v", names, err)
	}
	if text, err := kept.Describe("Order"); err != nil || !strings.Contains(text, ".google.protobuf.Timestamp at = 4;") {
		t.Errorf("%s, %v", text, err)
	}
	if _, _, err := rpc.KeptDescriptors(t.TempDir()); err == nil {
		t.Error("an empty folder has descriptors")
	}
}

func TestInstancesThatDescribeAMethodInDifferentWays(t *testing.T) {
	old, newer := &defined{}, &defined{answer: answers(`{"note":"sold"}`)}
	oldAddress, newAddress := old.start(t, shop("")), newer.start(t, shop("string note = 7;"))
	// Which instance is asked and which one is called is up to who connects first.
	const most = 1000
	pinned := false
	for i := 0; i < most && !pinned; i++ {
		ch := dial(t, rpc.Config{Target: "shop", Instances: fixed(oldAddress, newAddress)})
		call, err := buy(t, ch, `{"note":"gift"}`)
		if err != nil || call.Err() != nil {
			t.Fatal(err, call)
		}
		if strings.Contains(call.Descriptors.Note, "the request fits what "+newAddress+" says of the method") {
			pinned = true
			if call.Attempts[0].Instance != newAddress {
				t.Errorf("the request went to %s, which does not know its field", call.Attempts[0].Instance)
			}
		}
	}
	if !pinned {
		t.Error("no request was sent to the instance that it fits")
	}
	seen := false
	for i := 0; i < most && !seen; i++ {
		ch := dial(t, rpc.Config{Target: "shop", Instances: fixed(oldAddress, newAddress)})
		call, err := buy(t, ch, `{}`)
		if err != nil || call.Err() != nil {
			t.Fatal(err, call)
		}
		if call.Attempts[0].Instance == newAddress && string(call.Messages[0]) != `{"note":"sold"}` {
			t.Errorf("answer = %s", call.Messages)
		}
		seen = strings.Contains(call.Descriptors.Note, newAddress+" describes shop.v1.Shop/Buy otherwise than "+oldAddress)
	}
	if !seen {
		t.Error("nothing was said of instances that differ")
	}
}

func TestReflectionHeadersAreForReflectionAlone(t *testing.T) {
	server := &defined{}
	var seen []string
	address := server.start(t, shop(""), grpc.StreamInterceptor(func(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
		if len(header(stream.Context(), "x-reflect")) > 0 {
			seen = append(seen, info.FullMethod)
		}
		return handle(srv, stream)
	}))
	ch := dial(t, rpc.Config{Target: address, ReflectHeaders: pairs("x-reflect", "yes")})
	if _, err := buy(t, ch, `{}`); err != nil {
		t.Fatal(err)
	}
	if len(seen) != 1 || !strings.HasSuffix(seen[0], "ServerReflectionInfo") {
		t.Errorf("seen by %v", seen)
	}
}
