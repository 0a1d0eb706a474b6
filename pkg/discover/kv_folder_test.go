package discover_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/suokelife/suokectl/pkg/discover"
)

// export writes entries to a folder as the keys' names say.
func export(t interface{ Fatal(...any) }, dir string, entries []discover.Entry) {
	var keys []string
	for _, entry := range entries {
		keys = append(keys, entry.Key)
	}
	files := discover.KeyFiles(keys)
	for _, entry := range entries {
		path := filepath.Join(dir, filepath.FromSlash(files[entry.Key]))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, entry.Value, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestKeyFiles(t *testing.T) {
	keys := []string{"a", "a/b", "a/", "x//y", "100%", ".env", "..", "a b/健康", `c:\d`, "e/.f", "\x00\xff"}
	want := map[string]string{
		"a": "a/%self", "a/b": "a/b", "a/": "a/%empty", "x//y": "x/%empty/y", "100%": "100%25", ".env": "%2Eenv", "..": "%2E.",
		"a b/健康": "a b/健康", `c:\d`: "c%3A%5Cd", "e/.f": "e/%2Ef", "\x00\xff": "%00%FF",
	}
	for key, file := range discover.KeyFiles(keys) {
		if file != want[key] {
			t.Errorf("%q is %q, want %q", key, file, want[key])
		}
	}
	for _, file := range []string{"a%", "a%2", "a%zz", "%self", "%emptyx", "a/%2f", "%SELF"} {
		var wrong *discover.KeyError
		if key, err := discover.FileKey(file); !errors.As(err, &wrong) {
			t.Errorf("%q is %q, %v", file, key, err)
		}
	}
}

var anyKey = rapid.OneOf(
	rapid.StringMatching(`[a-c%./~: ]{1,6}`),
	rapid.StringMatching(`[ab]{1,2}(/[ab]{0,2}){0,3}`),
	rapid.StringN(1, 8, 30),
	rapid.Map(rapid.SliceOfN(rapid.Byte(), 1, 6), func(b []byte) string { return string(b) }),
)

func TestKeysAndFilesAreARoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keys := rapid.SliceOfDistinct(anyKey, rapid.ID[string]).Draw(t, "keys")
		files := discover.KeyFiles(keys)
		seen := map[string]string{}
		for _, key := range keys {
			file := files[key]
			if other, twice := seen[file]; twice {
				t.Fatalf("%q and %q are both %q", key, other, file)
			}
			seen[file] = key
			if !filepath.IsLocal(filepath.FromSlash(file)) || strings.HasPrefix(file, ".") || strings.Contains(file, "/.") {
				t.Fatalf("%q is %q", key, file)
			}
			if back, err := discover.FileKey(file); err != nil || back != key {
				t.Fatalf("%q is %q, which is %q, %v", key, file, back, err)
			}
			for other := range files {
				if strings.HasPrefix(files[other], file+"/") {
					t.Fatalf("%q is the file %q and the folder of %q", key, file, files[other])
				}
			}
		}
	})
}

func TestDiffWithAnExportIsEmpty(t *testing.T) {
	dir := t.TempDir()
	count := 0
	rapid.Check(t, func(t *rapid.T) {
		count++
		own := filepath.Join(dir, fmt.Sprint(count))
		if err := os.Mkdir(own, 0o700); err != nil {
			t.Fatal(err)
		}
		values := rapid.MapOf(anyKey, rapid.SliceOf(rapid.Byte())).Draw(t, "tree")
		var relative, tree []discover.Entry
		for key, value := range values {
			relative = append(relative, discover.Entry{Key: key, Value: value})
			tree = append(tree, discover.Entry{Key: "p/" + key, Value: value})
		}
		export(t, own, relative)
		files, err := discover.ReadKeys(own, "p/")
		if err != nil {
			t.Fatal(err)
		}
		if got := discover.DiffKeys(tree, files); len(got) > 0 {
			t.Fatalf("differ: %+v", got)
		}
		if got := discover.DiffKeys(files, tree); len(got) > 0 {
			t.Fatalf("differ the other way: %+v", got)
		}
	})
}

func TestDiffKeys(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"same": "1", "changed": "new", "added": "x", "both/%self": "v", "both/b": "w", ".git/config": "no", ".hidden": "no",
		"sub/.keep": "", "binary": "\x00\x01",
	})
	if err := os.Symlink("same", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	files, err := discover.ReadKeys(dir, "p/")
	if err != nil {
		t.Fatal(err)
	}
	var tree []discover.Entry
	for key, value := range map[string]string{
		"p/": "", "p/sub/": "", "p/same": "1", "p/changed": "old", "p/removed": "", "p/both": "v", "p/both/b": "w",
		"p/link": "1", "p/binary": "text", "p/full/": "a folder with a value",
	} {
		tree = append(tree, discover.Entry{Key: key, Value: []byte(value)})
	}
	var got []string
	for _, d := range discover.DiffKeys(tree, files) {
		got = append(got, fmt.Sprintf("%s %s %s>%s %v", d.Key, d.Kind, d.Old, d.New, d.Binary()))
		if text := fmt.Sprintf("%v %+v %#v", d, &d, d); text != strings.Join([]string{d.String(), d.String(), d.String()}, " ") {
			t.Errorf("printed %s", text)
		}
		if b, err := json.Marshal(d); err != nil || strings.Contains(string(b), "ld") {
			t.Errorf("as JSON: %s, %v", b, err)
		}
	}
	want := []string{
		"p/added added >x false", "p/binary changed text>\x00\x01 true", "p/changed changed old>new false",
		"p/full/ removed a folder with a value> false", "p/removed removed > false",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestReadKeysRefuses(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(outside, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for what, row := range map[string]struct {
		make func(dir string) error
		want string
	}{
		"a link out of it": {
			func(dir string) error { return os.Symlink(outside, filepath.Join(dir, "l")) },
			"l: the link leads out of the folder, or nowhere; it is not followed",
		},
		"a link up": {
			func(dir string) error { return os.Symlink("../..", filepath.Join(dir, "l")) },
			"l: the link leads out of the folder, or nowhere; it is not followed",
		},
		"a link to nothing": {
			func(dir string) error { return os.Symlink("none", filepath.Join(dir, "l")) },
			"l: the link leads out of the folder, or nowhere; it is not followed",
		},
		"a link to a folder": {
			func(dir string) error { return os.Symlink(".", filepath.Join(dir, "l")) },
			"l: the link leads to a folder; it is not followed",
		},
		"a large file": {
			func(dir string) error { return os.WriteFile(filepath.Join(dir, "f"), make([]byte, 600_000), 0o600) },
			`the value of "f" has 600000 bytes, and Consul keeps at most 524288`,
		},
		"a percent sign": {
			func(dir string) error { return os.WriteFile(filepath.Join(dir, "100%"), nil, 0o600) },
			`key "100%" is of a file in whose name % is not followed by two hexadecimal digits; write % as %25`,
		},
		"two files of a key": {
			func(dir string) error {
				return errors.Join(os.WriteFile(filepath.Join(dir, "a:b"), nil, 0o600), os.WriteFile(filepath.Join(dir, "a%3Ab"), nil, 0o600))
			},
			`key "a:b" is of two files, a%3Ab and a:b`,
		},
		"no folder": {os.Remove, "no such file or directory"},
	} {
		t.Run(what, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "d")
			if err := errors.Join(os.Mkdir(dir, 0o700), row.make(dir)); err != nil {
				t.Fatal(err)
			}
			if _, err := discover.ReadKeys(dir, ""); err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// FuzzFileKey: a file's name that is understood is a key whose own file is of that key again.
func FuzzFileKey(f *testing.F) {
	for _, seed := range []string{"a/b", "a%2Fb", "%empty", "a/%self", "%", "%zz", "..", "a//b", "%FF", ".a"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		key, err := discover.FileKey(path)
		if err != nil {
			return
		}
		if back, err := discover.FileKey(discover.KeyFiles([]string{key})[key]); err != nil || back != key {
			t.Errorf("%q is %q, which is %q again, %v", path, key, back, err)
		}
	})
}

// FuzzKeysReply plays an agent that answers with anything: what comes of it is keys, or an error of a known type.
func FuzzKeysReply(f *testing.F) {
	for _, seed := range []string{
		`[{"Key": "k", "Value": "c2VjcmV0", "Flags": 1, "ModifyIndex": 2}]`, `[{"Key": "k", "Value": "%"}]`, `[null]`, `[{}]`,
		`null`, `{}`, ``, `[{"Value": null}]`, `[{"Flags": -1}]`, `[{"Value": 5}]`, `["k"]`, `[{"Key": "k", "Value": "c2Vjcm`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, reply string) {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, reply) }))
		defer server.Close()
		kv := client(t, discover.Config{Address: server.URL}).KV()
		_, getErr := kv.Get(t.Context(), "k")
		_, listErr := kv.List(t.Context(), "k")
		_, keysErr := kv.Keys(t.Context(), "k", "/")
		for _, err := range []error{getErr, listErr, keysErr} {
			var request *discover.RequestError
			if err != nil && !errors.As(err, &request) && !errors.Is(err, discover.ErrNoKey) {
				t.Errorf("%#v is of no known type", err)
			}
		}
	})
}
