package mesh

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// logLimit bounds the calls that are remembered.
const logLimit = 256

// A Call is one line of the access log.
type Call struct {
	Time     time.Time     `json:"time"`
	Method   string        `json:"method"`
	Host     string        `json:"host"`
	Path     string        `json:"path"`
	Status   int           `json:"status"`
	Flags    []string      `json:"flags,omitempty"` // Envoy's response flags: DI, FI, NR, NC, UH, UF
	Upstream string        `json:"upstream,omitempty"`
	Duration time.Duration `json:"duration_ns"`
}

func (c *Call) flag(flag string) {
	if flag != "" {
		c.Flags = append(c.Flags, flag)
	}
}

// Stats are counts since the start.
type Stats struct {
	Requests       uint64 `json:"requests"`
	DelaysInjected uint64 `json:"delays_injected"`
	AbortsInjected uint64 `json:"aborts_injected"`
	// Flags counts calls by their response flags, such as "DI,FI"; "-" is none.
	Flags map[string]uint64 `json:"flags"`
}

type recorder struct {
	mu    sync.Mutex
	stats Stats
	calls []Call
}

func (r *recorder) record(c Call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stats.Flags == nil {
		r.stats.Flags = map[string]uint64{}
	}
	flags := strings.Join(c.Flags, ",")
	if flags == "" {
		flags = "-"
	}
	r.stats.Requests++
	r.stats.Flags[flags]++
	if slices.Contains(c.Flags, "DI") {
		r.stats.DelaysInjected++
	}
	if slices.Contains(c.Flags, "FI") {
		r.stats.AbortsInjected++
	}
	if len(r.calls) == logLimit {
		r.calls = slices.Delete(r.calls, 0, 1)
	}
	r.calls = append(r.calls, c)
}

func (r *recorder) snapshot() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	stats := r.stats
	stats.Flags = maps.Clone(stats.Flags)
	return stats
}

// admin serves /stats, a JSON object, and /log, the last calls as NDJSON.
func (r *recorder) admin() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /stats", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(r.snapshot()) // fails only when the reader is gone
	})
	mux.HandleFunc("GET /log", func(w http.ResponseWriter, _ *http.Request) {
		r.mu.Lock()
		calls := slices.Clone(r.calls)
		r.mu.Unlock()
		w.Header().Set("Content-Type", "application/x-ndjson")
		for _, c := range calls {
			_ = json.NewEncoder(w).Encode(c) // fails only when the reader is gone
		}
	})
	return mux
}
