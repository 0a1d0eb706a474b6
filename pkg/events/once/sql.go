package once

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"sync/atomic"
	"time"
)

// Dialect is the kind of a database.
type Dialect int

// The dialects.
const (
	// PostgreSQL is right for 9.5 and later.
	PostgreSQL Dialect = iota + 1
	// SQLite is right for 3.24 and later. Its writers wait for each other: give
	// the connections a busy_timeout.
	SQLite
)

// Defaults of [Options].
const (
	DefaultTable = "handled_events"
	// DefaultKeep is well beyond the 7 days that Kafka keeps events by default.
	DefaultKeep = 30 * 24 * time.Hour
)

const (
	// pruneEvery is how many marks are made between two prunings, and pruneMost
	// how many marks one removes, so that it never takes long and keeps up.
	pruneEvery = 1000
	pruneMost  = 2 * pruneEvery
)

// Options tune a [SQL]. The zero value is the defaults.
type Options struct {
	// Table holds the marks; its name may be qualified by a schema. Default
	// [DefaultTable].
	Table string
	// Keep is how long a mark is kept at least. An event that is delivered again
	// later, as after the reset of a group, has its effect again. Default
	// [DefaultKeep].
	Keep time.Duration
}

// SQL marks ids in a table of a database. It may be used by several goroutines
// and processes.
type SQL struct {
	db     *sql.DB
	keep   time.Duration
	schema []string
	mark   string
	prune  string
	marked atomic.Int64
}

var tableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?$`)

// NewSQL returns a store of a database, which is not asked yet. The error is
// about the options.
func NewSQL(db *sql.DB, dialect Dialect, o Options) (*SQL, error) {
	if o.Table == "" {
		o.Table = DefaultTable
	}
	if o.Keep == 0 {
		o.Keep = DefaultKeep
	}
	if !tableName.MatchString(o.Table) {
		return nil, fmt.Errorf("%q cannot be the name of a table", o.Table)
	}
	if o.Keep < 0 {
		return nil, fmt.Errorf("marks cannot be kept for %s", o.Keep)
	}
	s := &SQL{db: db, keep: o.Keep}
	switch dialect {
	case PostgreSQL:
		s.statements(o.Table, "$1", "$2")
	case SQLite:
		s.statements(o.Table, "?", "?")
	default:
		return nil, fmt.Errorf("dialect %d is neither PostgreSQL nor SQLite", dialect)
	}
	return s, nil
}

func (s *SQL) statements(table, first, second string) {
	index := regexp.MustCompile(`.*\.`).ReplaceAllString(table, "") + "_by_time"
	s.schema = []string{
		fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s (id TEXT PRIMARY KEY, marked_at BIGINT NOT NULL)", table),
		fmt.Sprintf("CREATE INDEX IF NOT EXISTS %s ON %s (marked_at)", index, table),
	}
	s.mark = fmt.Sprintf("INSERT INTO %s (id, marked_at) VALUES (%s, %s) ON CONFLICT (id) DO NOTHING", table, first, second)
	s.prune = fmt.Sprintf("DELETE FROM %[1]s WHERE id IN (SELECT id FROM %[1]s WHERE marked_at < %[2]s ORDER BY marked_at LIMIT %[3]s)", table, first, second)
}

// Schema returns the statements that make the table, for those who migrate their
// databases by other means than [SQL.CreateTable].
func (s *SQL) Schema() []string { return append([]string(nil), s.schema...) }

// CreateTable makes the table unless it is there. Several instances of a service
// may call it at once.
func (s *SQL) CreateTable(ctx context.Context) error {
	var err error
	for range 3 { // PostgreSQL lets one of two that create a table at once fail
		if err = s.createTable(ctx); err == nil {
			return nil
		}
	}
	return fmt.Errorf("create the table of handled events: %w", err)
}

func (s *SQL) createTable(ctx context.Context) error {
	for _, statement := range s.schema {
		if _, err := s.db.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// Do calls effect within a transaction that marks id as well, and commits it
// when effect returns nil; otherwise, and when effect panics, neither is kept.
// It reports first as false, and does not call effect, when the id is marked. Of
// two calls with one id at once, in whichever processes, one is the first: the
// other waits for its end.
//
// An error that is not effect's is the database's. After one of the commit the
// effect may have been kept: with the same id, Do then says so.
func (s *SQL) Do(ctx context.Context, id string, effect func(tx *sql.Tx) error) (first bool, err error) {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return false, fmt.Errorf("handle %s once: %w", id, err)
	}
	defer func() { err = undo(tx, err) }()
	if first, err = s.markIn(ctx, tx, id); err != nil || !first {
		return false, err
	}
	if err := effect(tx); err != nil {
		return false, err
	}
	if err := tx.Commit(); err != nil {
		return false, fmt.Errorf("commit what %s does: %w", id, err)
	}
	if s.marked.Add(1)%pruneEvery == 0 {
		_, _ = s.Prune(ctx) // it is tried again after as many more
	}
	return true, nil
}

// undo rolls a transaction back unless it was committed.
func undo(tx *sql.Tx, err error) error {
	if back := tx.Rollback(); back != nil && !errors.Is(back, sql.ErrTxDone) {
		return errors.Join(err, back)
	}
	return err
}

// markIn marks an id, and reports whether it was not. It comes first in its
// transaction, so that SQLite's lock is taken at once and PostgreSQL waits for
// another that marks the same.
func (s *SQL) markIn(ctx context.Context, tx *sql.Tx, id string) (first bool, err error) {
	result, err := tx.ExecContext(ctx, s.mark, id, time.Now().UnixMilli())
	if err != nil {
		return false, fmt.Errorf("mark %s: %w", id, err)
	}
	n, err := result.RowsAffected()
	return n == 1, err
}

// Prune removes marks that are older than they have to be kept, a few thousand
// at most, and returns how many. Do calls it now and then.
func (s *SQL) Prune(ctx context.Context) (int64, error) {
	result, err := s.db.ExecContext(ctx, s.prune, time.Now().Add(-s.keep).UnixMilli(), pruneMost)
	if err != nil {
		return 0, fmt.Errorf("prune marks of handled events: %w", err)
	}
	return result.RowsAffected()
}
