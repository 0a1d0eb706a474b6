package consul

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/hashicorp/consul/api"
)

// maxValue is how many bytes a value may have, as out of the box.
const maxValue = 512 << 10

// kvStore is the keys and values. The store's mutex guards it.
type kvStore struct {
	pairs map[string]*api.KVPair
	at    uint64 // the last write to any key
	// graves remember when a key, or a whole prefix, was deleted: a read of a prefix answers with the greatest number
	// of what is and what was under it. A prefix that is deleted is remembered as that prefix alone, so that a reader
	// of a folder inside it does not see its number move, as on a real agent.
	graves map[string]uint64
}

func newKVStore() kvStore {
	return kvStore{pairs: map[string]*api.KVPair{}, graves: map[string]uint64{}}
}

// under returns the keys with that prefix, sorted.
func (kv *kvStore) under(prefix string) []string {
	var keys []string
	for key := range kv.pairs {
		if strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// indexUnder is the index of a read of a prefix.
func (kv *kvStore) indexUnder(prefix string) uint64 {
	if prefix == "" {
		return kv.at
	}
	var index uint64
	for key, pair := range kv.pairs {
		if strings.HasPrefix(key, prefix) {
			index = max(index, pair.ModifyIndex)
		}
	}
	for key, at := range kv.graves {
		if strings.HasPrefix(key, prefix) {
			index = max(index, at)
		}
	}
	if index == 0 {
		return kv.at
	}
	return index
}

// putKey writes a value. One that is there already, with the same flags, is no write.
func (s *store) putKey(key string, value []byte, flags uint64) {
	old := s.kv.pairs[key]
	if old != nil && string(old.Value) == string(value) && old.Flags == flags {
		return
	}
	s.commit(func(index uint64) {
		pair := &api.KVPair{Key: key, Value: value, Flags: flags, CreateIndex: index, ModifyIndex: index}
		if old != nil {
			pair.CreateIndex = old.CreateIndex
		}
		s.kv.pairs[key], s.kv.at = pair, index
		delete(s.kv.graves, key)
	})
}

// deleteKeys deletes what is there of keys; grave is what is remembered of it.
func (s *store) deleteKeys(keys []string, grave string) {
	keys = slices.DeleteFunc(keys, func(key string) bool { return s.kv.pairs[key] == nil })
	if len(keys) == 0 {
		return
	}
	s.commit(func(index uint64) {
		for _, key := range keys {
			delete(s.kv.pairs, key)
		}
		s.kv.at, s.kv.graves[grave] = index, index
	})
}

// unchanged tells whether a key still has the index that a check-and-set wants; 0 is no key.
func (kv *kvStore) unchanged(key string, index uint64) bool {
	if pair := kv.pairs[key]; pair != nil {
		return index != 0 && pair.ModifyIndex == index
	}
	return index == 0
}

// absent is answered with 404 and no text; raw as it is.
type (
	absent struct{}
	raw    []byte
)

func (raw raw) send(w http.ResponseWriter) {
	header := w.Header()
	header.Set("Content-Type", "text/plain")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Content-Security-Policy", "sandbox")
	_, _ = w.Write(raw) // the client went away; there is nobody to tell
}

// keyValue serves everything under /v1/kv/.
func (s *Server) keyValue(w http.ResponseWriter, r *http.Request) {
	if strings.IndexFunc(r.URL.Path, func(c rune) bool { return !unicode.IsPrint(c) }) >= 0 {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.Header().Set("X-Consul-Default-ACL-Policy", "allow")
	switch r.Method {
	case http.MethodGet:
		s.blocking(s.readKey)(w, r)
	case http.MethodPut:
		s.plain(s.writeKey)(w, r)
	case http.MethodDelete:
		s.plain(s.deleteKey)(w, r)
	default:
		w.Header().Set("Allow", "OPTIONS,GET,PUT,DELETE")
		fail(w, &httpError{http.StatusMethodNotAllowed, "method " + r.Method + " not allowed"})
	}
}

func keyOf(r *http.Request) string { return strings.TrimPrefix(r.URL.Path, "/v1/kv/") }

func (s *Server) readKey(r *http.Request) (func() answer, error) {
	key, query := keyOf(r), r.URL.Query()
	switch {
	case query.Has("keys"):
		return func() answer { return s.keysUnder(key, query.Get("separator")) }, nil
	case query.Has("recurse"):
		return func() answer { return s.pairsUnder(key) }, nil
	case key == "":
		return nil, badRequest("Missing key name")
	}
	return func() answer { return s.oneKey(key, query.Has("raw")) }, nil
}

func (s *Server) oneKey(key string, asItIs bool) answer {
	pair := s.store.kv.pairs[key]
	switch {
	case pair == nil:
		return answer{value: absent{}, index: s.store.kv.at}
	case asItIs:
		return answer{value: raw(pair.Value), index: pair.ModifyIndex, found: true}
	}
	return answer{value: []api.KVPair{*pair}, index: pair.ModifyIndex, found: true}
}

func (s *Server) pairsUnder(prefix string) answer {
	var out []api.KVPair
	for _, key := range s.store.kv.under(prefix) {
		out = append(out, *s.store.kv.pairs[key])
	}
	return answer{value: orNothing(out), index: s.store.kv.indexUnder(prefix), found: true}
}

func (s *Server) keysUnder(prefix, separator string) answer {
	var out []string
	for _, key := range s.store.kv.under(prefix) {
		if separator != "" {
			if folder, _, in := strings.Cut(key[len(prefix):], separator); in {
				key = prefix + folder + separator
			}
		}
		out = append(out, key)
	}
	return answer{value: orNothing(unique(out)), index: s.store.kv.indexUnder(prefix), found: true}
}

// unique drops repeated keys and keeps their order.
func unique(keys []string) []string {
	seen := map[string]bool{}
	return slices.DeleteFunc(keys, func(key string) bool {
		was := seen[key]
		seen[key] = true
		return was
	})
}

func orNothing[T any](list []T) any {
	if len(list) == 0 {
		return absent{}
	}
	return list
}

func (s *Server) writeKey(r *http.Request) (any, error) {
	key, err := s.keyToChange(r, "acquire", "cas", "release")
	if err != nil {
		return nil, err
	}
	query := r.URL.Query()
	flags, err := number(query.Get("flags"))
	if err != nil {
		return nil, err
	}
	index, err := number(query.Get("cas"))
	if err != nil {
		return nil, err
	}
	if query.Has("acquire") || query.Has("release") {
		return nil, badRequest("sessions and their locks are not part of the lab")
	}
	if r.ContentLength > maxValue {
		return nil, &httpError{http.StatusRequestEntityTooLarge, fmt.Sprintf("Request body(%d bytes) too large, "+
			"max size: %d bytes. See https://www.consul.io/docs/agent/config/config-files#kv_max_value_size.", r.ContentLength, maxValue)}
	}
	value, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	if len(value) == 0 {
		value = nil // as it is told in reads
	}
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	if query.Has("cas") && !s.store.kv.unchanged(key, index) {
		return false, nil
	}
	s.store.putKey(key, value, flags)
	return true, nil
}

func (s *Server) deleteKey(r *http.Request) (any, error) {
	key, err := s.keyToChange(r, "cas", "recurse")
	if err != nil {
		return nil, err
	}
	query := r.URL.Query()
	index, err := number(query.Get("cas"))
	if err != nil {
		return nil, err
	}
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	switch pair := s.store.kv.pairs[key]; {
	case query.Has("recurse"):
		s.store.deleteKeys(s.store.kv.under(key), key)
	case query.Has("cas") && pair != nil && pair.ModifyIndex != index:
		return false, nil
	default:
		s.store.deleteKeys([]string{key}, key)
	}
	return true, nil
}

// keyToChange is the key of a write; at most one of the exclusive parameters may be there.
func (s *Server) keyToChange(r *http.Request, exclusive ...string) (string, error) {
	if _, _, err := s.readOptions(r); err != nil { // the datacenter, and what is not known here
		return "", err
	}
	key, query := keyOf(r), r.URL.Query()
	if key == "" && !query.Has("recurse") {
		return "", badRequest("Missing key name")
	}
	given := maps.Clone(query)
	maps.DeleteFunc(given, func(name string, _ []string) bool { return !slices.Contains(exclusive, name) })
	if len(given) > 1 {
		return "", badRequest("Conflicting flags: %s", query.Encode())
	}
	return key, nil
}

func number(text string) (uint64, error) {
	if text == "" {
		return 0, nil
	}
	return strconv.ParseUint(text, 10, 64)
}
