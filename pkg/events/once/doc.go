// Package once keeps the effects of events, and the marks that they were
// handled, in the same transaction of a service's own database, so that each
// happens once although Kafka delivers at least once (K5).
//
// A [SQL] is the store of [github.com/suokelife/suokectl/pkg/events.OnTx] for
// database/sql, tested on SQLite and PostgreSQL. It links no driver.
//
//	store, err := once.NewSQL(db, once.PostgreSQL, once.Options{})
//	…
//	err = store.CreateTable(ctx)
//	…
//	consumer, err := client.NewConsumer(ctx, "billing", topics,
//		events.OnTx("user-registered", store, func(ctx context.Context, tx *sql.Tx, u User, d events.Delivery) error {
//			_, err := tx.ExecContext(ctx, "INSERT INTO accounts (user_id) VALUES ($1)", u.ID)
//			return err
//		}))
package once
