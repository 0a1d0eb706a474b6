//go:build unix

package conformance

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/lib/pq"
	_ "modernc.org/sqlite"

	"github.com/suokelife/suokectl/pkg/events/once"
)

// database is one that the store is tested on. Placeholders differ, so an effect
// is written for each.
type database struct {
	name    string
	dialect once.Dialect
	insert  string // an effect, of one text
	open    func(t *testing.T) *sql.DB
}

func databases() []database {
	return []database{
		{"sqlite", once.SQLite, "INSERT INTO effects (id) VALUES (?)", func(t *testing.T) *sql.DB {
			t.Helper()
			return opened(t, "sqlite", "file:"+filepath.Join(t.TempDir(), "service.db")+"?_pragma=busy_timeout(20000)&_pragma=journal_mode(WAL)&_pragma=synchronous(OFF)")
		}},
		{"postgres", once.PostgreSQL, "INSERT INTO effects (id) VALUES ($1)", func(t *testing.T) *sql.DB {
			t.Helper()
			server := sharedPostgres.get(t)
			name := fmt.Sprintf("test_%d", time.Now().UnixNano())
			if _, err := opened(t, "postgres", server.URL).Exec("CREATE DATABASE " + name); err != nil {
				t.Fatal(err)
			}
			return opened(t, "postgres", server.Database(name))
		}},
	}
}

func opened(t *testing.T, driver, source string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// onceStore is a store on a database, with a table of effects.
type onceStore struct {
	*once.SQL
	t      *testing.T
	db     *sql.DB
	insert string
}

func (d database) store(t *testing.T, o once.Options) *onceStore {
	t.Helper()
	db := d.open(t)
	s, err := once.NewSQL(db, d.dialect, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.CreateTable(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("CREATE TABLE effects (id TEXT NOT NULL)"); err != nil {
		t.Fatal(err)
	}
	return &onceStore{SQL: s, t: t, db: db, insert: d.insert}
}

// do has the effect of an id, then fails or not.
func (s *onceStore) do(ctx context.Context, id string, failure error) (bool, error) {
	return s.Do(ctx, id, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, s.insert, id); err != nil {
			return err
		}
		return failure
	})
}

func (s *onceStore) count(query string) (n int) {
	s.t.Helper()
	if err := s.db.QueryRow(query).Scan(&n); err != nil {
		s.t.Fatal(err)
	}
	return n
}

func (s *onceStore) effects() int { return s.count("SELECT count(*) FROM effects") }

// TestStoreKeepsEffectAndMarkTogether: both are there or neither is.
func TestStoreKeepsEffectAndMarkTogether(t *testing.T) {
	t.Parallel()
	for _, d := range databases() {
		t.Run(d.name, func(t *testing.T) {
			s := d.store(t, once.Options{})
			oops := errors.New("oops")
			if _, err := s.do(t.Context(), "a", oops); !errors.Is(err, oops) || s.effects() != 0 {
				t.Fatalf("a failed effect: %v, %d effects", err, s.effects())
			}
			func() {
				defer func() { _ = recover() }()
				_, _ = s.Do(t.Context(), "a", func(tx *sql.Tx) error {
					_, _ = tx.Exec(s.insert, "a")
					panic("oh")
				})
			}()
			if s.effects() != 0 {
				t.Fatal("a panic kept its effect")
			}
			ended, end := context.WithCancel(t.Context())
			if _, err := s.Do(ended, "a", func(tx *sql.Tx) error {
				_, err := tx.Exec(s.insert, "a")
				end()
				return err
			}); err == nil || s.effects() != 0 {
				t.Fatalf("a context that ended kept its effect: %v", err)
			}
			for i, want := range []bool{true, false, false} {
				if first, err := s.do(t.Context(), "a", nil); first != want || err != nil {
					t.Fatalf("call %d: %t, %v", i, first, err)
				}
			}
			if n := s.effects(); n != 1 {
				t.Fatalf("%d effects of one event", n)
			}
		})
	}
}

// TestStoreMarksOnceAmongMany: of many at once, through several connections, one
// is the first, though some fail and undo it.
func TestStoreMarksOnceAmongMany(t *testing.T) {
	t.Parallel()
	for _, d := range databases() {
		t.Run(d.name, func(t *testing.T) {
			s := d.store(t, once.Options{Table: "marks"})
			const ids, callers = 20, 8
			var firsts atomic.Int64
			var all sync.WaitGroup
			for caller := range callers {
				all.Go(func() {
					for i := range ids {
						var failure error
						if caller%2 == 0 && i%3 == 0 {
							failure = errors.New("oops")
						}
						first, err := s.do(t.Context(), fmt.Sprint(i), failure)
						if err != nil && failure == nil {
							t.Error(err)
						}
						if first {
							firsts.Add(1)
						}
					}
				})
			}
			all.Wait()
			if n := s.effects(); n != ids || firsts.Load() != ids {
				t.Fatalf("%d effects and %d firsts of %d events", n, firsts.Load(), ids)
			}
		})
	}
}

// TestStorePrunes a bounded number of old marks, and by itself.
func TestStorePrunes(t *testing.T) {
	t.Parallel()
	for _, d := range databases() {
		t.Run(d.name, func(t *testing.T) {
			s := d.store(t, once.Options{Keep: time.Millisecond})
			for i := range 1500 {
				if _, err := s.Do(t.Context(), fmt.Sprint(i), func(*sql.Tx) error { return nil }); err != nil {
					t.Fatal(err)
				}
			}
			marks := func() int { return s.count("SELECT count(*) FROM " + once.DefaultTable) }
			if n := marks(); n > 600 {
				t.Fatalf("%d marks are left, want those since the last pruning", n)
			}
			time.Sleep(2 * time.Millisecond) // what is pruned is older than that
			n, err := s.Prune(t.Context())
			if err != nil || n == 0 || marks() != 0 {
				t.Fatalf("pruned %d, %v, left %d", n, err, marks())
			}
		})
	}
}

// TestStoreMakesItsTable, also when many instances do at once.
func TestStoreMakesItsTable(t *testing.T) {
	t.Parallel()
	for _, d := range databases() {
		t.Run(d.name, func(t *testing.T) {
			db := d.open(t)
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					s, err := once.NewSQL(db, d.dialect, once.Options{})
					if err == nil {
						err = s.CreateTable(t.Context())
					}
					if err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
		})
	}
}
