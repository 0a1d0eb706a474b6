//go:build unix

package conformance

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/internal/testcert"
	"github.com/suokelife/suokectl/internal/testenv"
	"github.com/suokelife/suokectl/pkg/events"
)

// unsecured makes a token that nobody has signed, as Kafka's default validator
// takes it.
func unsecured(subject string, life time.Duration) func(context.Context) (string, error) {
	return func(context.Context) (string, error) {
		now := time.Now()
		claims, err := json.Marshal(map[string]any{"sub": subject, "iat": float64(now.Add(-time.Minute).Unix()), "exp": float64(now.Add(life).Unix())})
		if err != nil {
			return "", err
		}
		encode := base64.RawURLEncoding.EncodeToString
		return encode([]byte(`{"alg":"none"}`)) + "." + encode(claims) + ".", nil
	}
}

// TestKafkaClient connects to a real broker by all that it offers, and in all the ways that go wrong.
func TestKafkaClient(t *testing.T) {
	t.Parallel()
	server := testenv.KafkaSecured(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	trust, err := server.Client("")
	must(err)
	shown, err := server.Client("ada")
	must(err)
	other, err := testcert.New(t.TempDir())
	must(err)
	pair, err := other.Issue(testcert.Leaf{Name: "stranger"})
	must(err)
	distrust, err := other.Client(pair, false)
	must(err)
	stranger := trust.Clone()
	strange, err := other.Client(pair, true)
	must(err)
	stranger.Certificates = strange.Certificates
	user := func(mechanism, password string) *events.SASL {
		return &events.SASL{Mechanism: mechanism, Username: testenv.KafkaUser, Password: password}
	}
	plain := server.Brokers[0]
	for name, c := range map[string]struct {
		cfg    events.Config
		reason events.ConnectReason
	}{
		"plaintext":     {events.Config{Brokers: []string{plain}}, ""},
		"PLAIN":         {events.Config{Brokers: []string{server.SASL}, TLS: trust, SASL: user("PLAIN", testenv.KafkaUserPassword)}, ""},
		"SCRAM-SHA-256": {events.Config{Brokers: []string{server.SASL}, TLS: trust, SASL: user("SCRAM-SHA-256", testenv.KafkaUserPassword)}, ""},
		"SCRAM-SHA-512": {events.Config{Brokers: []string{server.SASL}, TLS: trust, SASL: user("SCRAM-SHA-512", testenv.KafkaUserPassword)}, ""},
		"OAUTHBEARER":   {events.Config{Brokers: []string{server.SASL}, TLS: trust, SASL: &events.SASL{Mechanism: "OAUTHBEARER", Token: unsecured("ada", time.Hour)}}, ""},
		"mutual TLS":    {events.Config{Brokers: []string{server.Mutual}, TLS: shown}, ""},

		"wrong PLAIN password":  {events.Config{Brokers: []string{server.SASL}, TLS: trust, SASL: user("PLAIN", "x")}, events.ReasonCredentials},
		"wrong SCRAM password":  {events.Config{Brokers: []string{server.SASL}, TLS: trust, SASL: user("SCRAM-SHA-512", "x")}, events.ReasonCredentials},
		"token that has ended":  {events.Config{Brokers: []string{server.SASL}, TLS: trust, SASL: &events.SASL{Mechanism: "OAUTHBEARER", Token: unsecured("ada", -time.Second)}}, events.ReasonCredentials},
		"no token":              {events.Config{Brokers: []string{server.SASL}, TLS: trust, SASL: &events.SASL{Mechanism: "OAUTHBEARER", Token: events.TokenFile("/no/such/token")}}, events.ReasonToken},
		"SASL missing":          {events.Config{Brokers: []string{server.SASL}, TLS: trust}, events.ReasonUnauthorised},
		"TLS to plaintext":      {events.Config{Brokers: []string{plain}, TLS: trust}, events.ReasonPlaintext},
		"plaintext to TLS":      {events.Config{Brokers: []string{server.Mutual}}, events.ReasonSecured},
		"unknown CA":            {events.Config{Brokers: []string{server.SASL}, TLS: distrust, SASL: user("PLAIN", "x")}, events.ReasonUnknownCA},
		"expired":               {events.Config{Brokers: []string{server.Expired}, TLS: trust}, events.ReasonExpired},
		"another name":          {events.Config{Brokers: []string{server.Elsewhere}, TLS: trust}, events.ReasonOtherName},
		"no client certificate": {events.Config{Brokers: []string{server.Mutual}, TLS: trust}, events.ReasonNoCertificate},
		"strange certificate":   {events.Config{Brokers: []string{server.Mutual}, TLS: stranger}, events.ReasonCertificate},
	} {
		t.Run(name, func(t *testing.T) {
			client, err := events.New(c.cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			_, err = client.TopicNames(ctx)
			var connect *events.ConnectError
			switch {
			case c.reason == "" && err != nil:
				t.Errorf("got %v", err)
			case c.reason == "":
			case !errors.As(err, &connect):
				t.Errorf("got %v, want %s", err, c.reason)
			case connect.Reason != c.reason:
				t.Errorf("got %s: %v (%s), want %s", connect.Reason, err, connect.Hint, c.reason)
			default:
				t.Logf("%v\nhint: %s", err, connect.Hint)
			}
		})
	}
}

// TestKafkaAdministration asks a real broker what the administrative commands ask, while it runs, restarts and is gone.
func TestKafkaAdministration(t *testing.T) {
	t.Parallel()
	server := testenv.Kafka(t)
	client, err := events.New(events.Config{Brokers: server.Brokers})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	const topic = "test.admin-service.thing-happened.v1"
	must(client.CreateTopic(ctx, events.NewTopic{Name: topic, Partitions: 2, Replicas: 1}, false))
	raw, err := client.Open(ctx, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ConsumerGroup("billing"), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	must(err)
	for i := range 10 {
		must(raw.ProduceSync(ctx, &kgo.Record{Topic: topic, Value: fmt.Append(nil, i)}).FirstErr())
	}
	var read int64
	for read < 4 { // a poll may bring fewer
		fetched := raw.PollRecords(ctx, int(4-read))
		must(fetched.Err())
		must(raw.CommitRecords(ctx, fetched.Records()...))
		read += int64(fetched.NumRecords())
	}
	var live *events.LiveGroupError
	if _, err := client.PlanReset(ctx, "billing", nil, events.ResetTo{}); !errors.As(err, &live) || len(live.Members) != 1 {
		t.Errorf("a live group: %v", err)
	}
	raw.Close()

	cluster, err := client.Cluster(ctx)
	must(err)
	if cluster.Controller != 1 || !strings.Contains(cluster.Brokers[0].Version, "4.") {
		t.Errorf("cluster: %+v", cluster.Brokers)
	}
	described, err := client.DescribeTopics(ctx, topic)
	must(err)
	for _, c := range described[0].Configs {
		if c.Name == "retention.ms" && c.Value != "604800000" {
			t.Errorf("retention.ms: %+v", c)
		}
	}
	if described[0].Bytes <= 0 || len(described[0].Untold) > 0 || described[0].Span() != 10 {
		t.Errorf("topic: %+v", described[0])
	}
	plan, err := client.PlanAlter(ctx, topic, events.TopicChange{Partitions: 3, Set: map[string]string{"retention.ms": "86400000"}})
	must(err)
	must(client.Alter(ctx, plan))
	awaitTrue(ctx, t, "the topic is altered", func() bool {
		described, err = client.DescribeTopics(ctx, topic)
		return err == nil && len(described[0].Partitions) == 3 && len(described[0].Own()) == 1
	})
	if own := described[0].Own()[0]; own.Value != "86400000" || own.Default != "604800000" {
		t.Errorf("its own configuration: %+v", own)
	}
	var unknown *events.UnknownConfigError
	if _, err := client.PlanAlter(ctx, topic, events.TopicChange{Set: map[string]string{"retention.mss": "1"}}); !errors.As(err, &unknown) || unknown.Nearest != "retention.ms" {
		t.Errorf("an unknown configuration: %v", err)
	}
	reset, err := client.PlanReset(ctx, "billing", nil, events.ResetTo{Shift: -2})
	must(err)
	must(client.Reset(ctx, reset))
	groups, err := client.Groups(ctx, "billing")
	must(err)
	if p := groups[0].Partitions[0]; p.Committed != read-2 || groups[0].Lag != 10-read+2 {
		t.Errorf("after the reset: %+v", groups[0])
	}
	first, err := client.PlanReset(ctx, "ledger", map[string][]int32{topic: nil}, events.ResetTo{Bound: events.End()})
	must(err)
	must(client.Reset(ctx, first))
	groups, err = client.Groups(ctx, "ledger")
	must(err)
	if !first.New || groups[0].Lag != 0 || len(groups[0].Partitions) != 3 {
		t.Errorf("a group that begins with its offsets: %+v", groups[0])
	}

	must(server.Restart())
	awaitTrue(ctx, t, "the broker answers again", func() bool {
		groups, err := client.Groups(ctx, "billing")
		return err == nil && groups[0].Lag == 10-read+2
	})
	server.Stop()
	fresh, err := events.New(events.Config{Brokers: server.Brokers})
	must(err)
	defer fresh.Close()
	var connect *events.ConnectError
	if _, err := fresh.Cluster(ctx); !errors.As(err, &connect) || connect.Reason != events.ReasonRefused {
		t.Errorf("without the broker: %v", err)
	}
	must(server.Restart())
	must(client.DeleteGroup(ctx, "billing"))
	must(client.DeleteTopic(ctx, topic))
}

func awaitTrue(ctx context.Context, t *testing.T, what string, ask func() bool) {
	t.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for !ask() {
		select {
		case <-ctx.Done():
			t.Fatalf("never came true: %s", what)
		case <-tick.C:
		}
	}
}
