package consul

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"
)

// keyValue is what is relied on in the key-value store.
var keyValue = append([]testCase{
	{"a value comes back with its flags and indexes", func(a *agent) {
		a.putKey("k", "hello", 42)
		pair, index := a.key("k")
		a.equal("value", string(pair.Value), "hello")
		a.equal("flags", pair.Flags, uint64(42))
		a.equal("index", index, pair.ModifyIndex)
		a.equal("created", pair.CreateIndex, pair.ModifyIndex)
		a.putKey("k", "other", 0)
		again, _ := a.key("k")
		a.equal("flags", again.Flags, uint64(0))
		if again.CreateIndex != pair.CreateIndex || again.ModifyIndex <= pair.ModifyIndex {
			a.Fatalf("was %+v, is %+v", pair, again)
		}
	}},
	{"writing the same value again is no write", func(a *agent) {
		a.putKey("k", "same", 1)
		before, _ := a.key("k")
		a.putKey("k", "same", 1)
		after, _ := a.key("k")
		a.equal("index", after.ModifyIndex, before.ModifyIndex)
	}},
	{"an empty value is a value", func(a *agent) {
		a.putKey("k", "", 0)
		pair, _ := a.key("k")
		a.equal("bytes", len(pair.Value), 0)
		a.equal("value on the wire", strings.Contains(a.do("GET", "/v1/kv/"+a.name+"/k", "").body, `"Value":null`) ||
			strings.Contains(a.do("GET", "/v1/kv/"+a.name+"/k", "").body, `"Value": null`), true)
	}},
	{"a binary value comes back byte for byte", func(a *agent) {
		value := string([]byte{0, 255, 10, 13, 27, 128})
		a.putKey("k", value, 0)
		pair, _ := a.key("k")
		a.equal("value", string(pair.Value), value)
		raw := a.do("GET", "/v1/kv/"+a.name+"/k?raw", "")
		a.equal("raw value", raw.body, value)
		a.equal("type", raw.header.Get("Content-Type"), "text/plain")
	}},
	{"keys have spaces and any printable character", func(a *agent) {
		for _, key := range []string{"with space", "健康/键", "a+b%20&c=?#", "folder/", "~:@!$'()*,;[]\"\\"} {
			a.putKey(key, key, 0)
			pair, _ := a.key(key)
			a.equal("key", pair.Key, a.name+"/"+key)
		}
	}},
	{"a list has what is under the prefix, sorted", func(a *agent) {
		a.tree("b", "a", "a/b", "ab")
		pairs, _, err := a.client.KV().List(a.name+"/a", nil)
		a.must(err)
		var got []string
		for _, pair := range pairs {
			got = append(got, strings.TrimPrefix(pair.Key, a.name+"/"))
		}
		a.equal("keys", strings.Join(got, " "), "a a/b ab")
	}},
	{"keys are folded at the separator", func(a *agent) {
		a.tree("a", "a/b", "a/c", "d/e/f", "g")
		for separator, want := range map[string]string{"": "a a/b a/c d/e/f g", "/": "a a/ d/ g", "/e": "a a/b a/c d/e g"} {
			a.equal("keys at "+separator, a.keysUnder("", separator), want)
		}
		a.equal("keys of a folder", a.keysUnder("a/", "/"), "a/b a/c")
	}},
	{"what is not there is 404 with an index", func(a *agent) {
		for _, query := range []string{"", "?raw", "?keys", "?recurse"} {
			got := a.do("GET", "/v1/kv/"+a.name+"/none"+query, "")
			a.equal("answer to "+query, fmt.Sprint(got.code, got.body), "404")
			if index := got.header.Get("X-Consul-Index"); index == "" || index == "0" {
				a.Fatalf("index is %q", index)
			}
		}
	}},
	{"check-and-set writes what has not changed", func(a *agent) {
		a.equal("created", a.cas("k", "1", 0), true)
		a.equal("created again", a.cas("k", "2", 0), false)
		pair, _ := a.key("k")
		a.equal("changed", a.cas("k", "2", pair.ModifyIndex), true)
		a.equal("changed again", a.cas("k", "3", pair.ModifyIndex), false)
		a.equal("what is not there", a.cas("other", "1", pair.ModifyIndex), false)
		last, _ := a.key("k")
		a.equal("value", string(last.Value), "2")
	}},
	{"check-and-delete deletes what has not changed", func(a *agent) {
		a.putKey("k", "1", 0)
		pair, _ := a.key("k")
		a.equal("at another index", a.casDelete("k", pair.ModifyIndex-1), false)
		a.equal("at zero", a.casDelete("k", 0), false)
		a.equal("at its index", a.casDelete("k", pair.ModifyIndex), true)
		a.equal("what is gone", a.casDelete("k", pair.ModifyIndex), true)
		a.equal("keys", a.keysUnder("", ""), "")
	}},
	{"a tree is deleted with all that begins so", func(a *agent) {
		a.tree("a", "a/b", "ab", "b")
		_, err := a.client.KV().DeleteTree(a.name+"/a", nil)
		a.must(err)
		a.equal("keys", a.keysUnder("", ""), "b")
	}},
	{"deleting what is not there is no error", func(a *agent) {
		_, err := a.client.KV().Delete(a.name+"/none", nil)
		a.must(err)
	}},
	{"a read of a key wakes on its change and deletion alone", func(a *agent) {
		a.putKey("k", "1", 0)
		pair, index := a.key("k")
		a.putKey("other", "1", 0)
		_, meta, err := a.client.KV().Get(pair.Key, a.waitOn(index, short))
		a.must(err)
		a.equal("index", meta.LastIndex, index)
		a.keyWakes("?", index, func() { a.putKey("k", "2", 0) })
		_, index = a.key("k")
		a.keyWakes("?", index, func() { a.removeKey("k") })
	}},
	{"a read of a key that is not there wakes when it is", func(a *agent) {
		_, meta, err := a.client.KV().Get(a.name+"/k", nil)
		a.must(err)
		a.keyWakes("?", meta.LastIndex, func() { a.putKey("k", "1", 0) })
	}},
	{"a read of a prefix wakes on a change and a deletion under it alone", func(a *agent) {
		for _, query := range []string{"?recurse", "?keys"} {
			a.putKey("k/a", "1"+query, 0)
			index := a.indexUnder("k/", query)
			a.putKey("other", query, 0)
			got := a.do("GET", "/v1/kv/"+a.name+"/k/"+query+"&wait=1s&index="+index, "")
			a.equal("index", got.header.Get("X-Consul-Index"), index)
			a.prefixWakes(query, func() { a.putKey("k/b", "1", 0) })
			a.prefixWakes(query, func() { a.removeKey("k/b") })
			a.prefixWakes(query, func() { a.removeKey("k/a") })
		}
	}},
	{"deleting a tree does not move the index of a folder in it", func(a *agent) {
		a.tree("k/a", "k/b")
		a.removeKey("k/b")
		index := a.indexUnder("k/", "?recurse")
		_, err := a.client.KV().DeleteTree(a.name+"/k", nil)
		a.must(err)
		a.equal("index of the folder", a.indexUnder("k/", "?recurse"), index)
		if after := a.indexUnder("k", "?recurse"); after == index {
			a.Fatal("the index of the tree did not move either")
		}
	}},
	{"a value of 512 KiB is kept, and no greater one", func(a *agent) {
		const limit = 512 << 10
		value := strings.Repeat("x", limit)
		a.putKey("k", value, 0)
		pair, _ := a.key("k")
		a.equal("bytes", len(pair.Value), limit)
		got := a.do("PUT", "/v1/kv/"+a.name+"/k", value+"x")
		a.equal("status", got.code, http.StatusRequestEntityTooLarge)
		a.equal("text", got.body, "Request body(524289 bytes) too large, max size: 524288 bytes. "+
			"See https://www.consul.io/docs/agent/config/config-files#kv_max_value_size.")
	}},
	{"a key with dots or empty parts is another key", func(a *agent) {
		for _, key := range []string{"x/../k", "./k", "/k", "x//k"} {
			got := a.do("PUT", "/v1/kv/"+a.name+"/"+key, "1")
			if got.code/100 != 3 || got.header.Get("Location") == "" {
				a.Fatalf("%s: %d %s", key, got.code, got.body)
			}
		}
		a.equal("keys", a.keysUnder("", ""), "")
	}},
}, refused(
	refusal{"a value without a key", "PUT /v1/kv/", "x", "400 Missing key name"},
	refusal{"reading no key", "GET /v1/kv/", "", "400 Missing key name"},
	refusal{"deleting no key", "DELETE /v1/kv/", "", "400 Missing key name"},
	refusal{"a key with a tab in it", "PUT /v1/kv/a%09b", "x", "400 "},
	refusal{"a key with a no-break space in it", "GET /v1/kv/a%C2%A0b", "", "400 "},
	refusal{"an index of a value that is no number", "PUT /v1/kv/x?cas=soon", "x",
		`500 strconv.ParseUint: parsing "soon": invalid syntax`},
	refusal{"flags that are no number", "PUT /v1/kv/x?flags=-1", "x", `500 strconv.ParseUint: parsing "-1": invalid syntax`},
	refusal{"deleting a tree at an index", "DELETE /v1/kv/x?recurse&cas=3", "", "400 Conflicting flags: cas=3&recurse="},
	refusal{"a check-and-set that also locks", "PUT /v1/kv/x?cas=0&acquire=s", "x", "400 Conflicting flags: acquire=s&cas=0"},
	refusal{"a value for a datacenter that is not there", "PUT /v1/kv/x?dc=nowhere", "x", "500 No path to datacenter"},
	refusal{"reading a key of a datacenter that is not there", "GET /v1/kv/x?dc=nowhere", "", "500 No path to datacenter"},
	refusal{"a key posted", "POST /v1/kv/x", "x", "405 method POST not allowed"},
)...)

func (a *agent) putKey(key, value string, flags uint64) {
	a.Helper()
	a.Cleanup(func() { _, _ = a.client.KV().Delete(a.name+"/"+key, nil) }) // the case may have done it
	_, err := a.client.KV().Put(&api.KVPair{Key: a.name + "/" + key, Value: []byte(value), Flags: flags}, nil)
	a.must(err)
}

// tree writes keys with no values.
func (a *agent) tree(keys ...string) {
	a.Helper()
	for _, key := range keys {
		a.putKey(key, "", 0)
	}
}

func (a *agent) removeKey(key string) {
	a.Helper()
	_, err := a.client.KV().Delete(a.name+"/"+key, nil)
	a.must(err)
}

// key reads a key that is there.
func (a *agent) key(key string) (*api.KVPair, uint64) {
	a.Helper()
	pair, meta, err := a.client.KV().Get(a.name+"/"+key, nil)
	a.must(err)
	if pair == nil {
		a.Fatalf("no key %q", key)
	}
	return pair, meta.LastIndex
}

func (a *agent) cas(key, value string, index uint64) bool {
	a.Helper()
	a.Cleanup(func() { _, _ = a.client.KV().Delete(a.name+"/"+key, nil) }) // it may not be there
	done, _, err := a.client.KV().CAS(&api.KVPair{Key: a.name + "/" + key, Value: []byte(value), ModifyIndex: index}, nil)
	a.must(err)
	return done
}

func (a *agent) casDelete(key string, index uint64) bool {
	a.Helper()
	done, _, err := a.client.KV().DeleteCAS(&api.KVPair{Key: a.name + "/" + key, ModifyIndex: index}, nil)
	a.must(err)
	return done
}

// keysUnder are the keys of the case under a prefix.
func (a *agent) keysUnder(prefix, separator string) string {
	a.Helper()
	keys, _, err := a.client.KV().Keys(a.name+"/"+prefix, separator, nil)
	a.must(err)
	for i, key := range keys {
		keys[i] = strings.TrimPrefix(key, a.name+"/")
	}
	return strings.Join(keys, " ")
}

// indexUnder is the index of a read of a prefix, whether or not anything is there.
func (a *agent) indexUnder(prefix, query string) string {
	a.Helper()
	return a.do("GET", "/v1/kv/"+a.name+"/"+prefix+query, "").header.Get("X-Consul-Index")
}

func (a *agent) waitOn(index uint64, wait time.Duration) *api.QueryOptions {
	return (&api.QueryOptions{WaitIndex: index, WaitTime: wait}).WithContext(a.Context())
}

func (a *agent) prefixWakes(query string, change func()) {
	a.Helper()
	a.readWakes(a.name+"/k/", query, a.indexUnder("k/", query), change)
}

func (a *agent) keyWakes(query string, index uint64, change func()) {
	a.Helper()
	a.readWakes(a.name+"/k", query, fmt.Sprint(index), change)
}

// readWakes makes a change beside a blocked read and expects the read to end with another index.
func (a *agent) readWakes(path, query, index string, change func()) {
	a.Helper()
	ctx, cancel := context.WithTimeout(a.Context(), patience)
	defer cancel()
	where := url.URL{Scheme: "http", Host: a.target.Addr, Path: "/v1/kv/" + path, RawQuery: query[1:] + "&wait=5m&index=" + index}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, where.String(), &bytes.Reader{})
	a.must(err)
	woke := make(chan string, 1)
	go func() {
		resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
		if err != nil {
			woke <- err.Error()
			return
		}
		_ = resp.Body.Close() // what it says is of no interest
		woke <- resp.Header.Get("X-Consul-Index")
	}()
	change()
	if got := <-woke; got == index || strings.Trim(got, "0123456789") != "" {
		a.Fatalf("woke with %q after %s", got, index)
	}
}
