package kube

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apimachinery/pkg/watch"
)

// frame is one line of a watch.
type frame struct {
	Type   watch.EventType `json:"type"`
	Object any             `json:"object"`
}

// serveWatch streams what happens after a resourceVersion; without one, or from "0", what is there comes first.
func (s *Server) serveWatch(w http.ResponseWriter, r *http.Request, q *request) {
	query := r.URL.Query()
	if query.Get("sendInitialEvents") != "" {
		writeError(w, apierrors.NewInvalid(metav1.Unversioned.WithKind("ListOptions").GroupKind(), "", field.ErrorList{
			field.Forbidden(field.NewPath("sendInitialEvents"), "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled")}))
		return
	}
	from, initial, err := s.watchStart(q, query.Get("resourceVersion"))
	if err != nil {
		writeError(w, err)
		return
	}
	var timeout <-chan time.Time
	if seconds, err := strconv.Atoi(query.Get("timeoutSeconds")); err == nil && seconds > 0 {
		timer := time.NewTimer(time.Duration(seconds) * time.Second)
		defer timer.Stop()
		timeout = timer.C
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	stream := json.NewEncoder(w)
	send := func(frames []frame) bool {
		for _, f := range frames {
			if stream.Encode(f) != nil {
				return false
			}
		}
		return http.NewResponseController(w).Flush() == nil
	}
	if !send(initial) {
		return
	}
	for {
		frames, next, changed, alive := s.watchStep(q, from)
		if len(frames) > 0 && !send(frames) || !alive {
			return
		}
		from = next
		select {
		case <-changed:
		case <-timeout:
			return
		case <-r.Context().Done():
			return
		}
	}
}

func (s *Server) watchStart(q *request, version string) (uint64, []frame, error) {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	if version == "" || version == "0" {
		var initial []frame
		for _, o := range s.store.list(q.selects) {
			initial = append(initial, frame{watch.Added, present(q, o).Object})
		}
		return s.store.revision, initial, nil
	}
	from, err := strconv.ParseUint(version, 10, 64)
	if err != nil {
		return 0, nil, apierrors.NewBadRequest("invalid resource version " + strconv.Quote(version))
	}
	return from, nil, nil
}

// watchStep returns the frames since a revision and the channel that closes at the next change.
func (s *Server) watchStep(q *request, from uint64) (frames []frame, next uint64, changed <-chan struct{}, alive bool) {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	events, complete := s.store.since(from)
	if !complete {
		status := apierrors.NewResourceExpired("too old resource version: " + strconv.FormatUint(from, 10)).Status()
		status.TypeMeta = metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}
		return []frame{{watch.Error, status}}, from, nil, false
	}
	for _, e := range events {
		if kind, seen := q.seenAs(e); seen {
			frames = append(frames, frame{kind, present(q, e.object).Object})
		}
	}
	return frames, max(from, s.store.revision), s.store.changed, true
}

// seenAs says how a watcher with a selector sees an event: objects that leave the selection are deleted for it.
func (q *request) seenAs(e event) (watch.EventType, bool) {
	if e.key.resource != q.resource || q.namespace != "" && e.key.namespace != q.namespace {
		return "", false
	}
	was := e.previous != nil && q.matches(e.previous)
	is := e.kind != watch.Deleted && q.matches(e.object)
	switch {
	case was && is:
		return watch.Modified, true
	case is:
		return watch.Added, true
	case was:
		return watch.Deleted, true
	}
	return "", false
}
