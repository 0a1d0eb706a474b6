package kafka_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	contract "github.com/suokelife/suokectl/internal/contract/kafka"
	"github.com/suokelife/suokectl/internal/lab/kafka"
	"github.com/suokelife/suokectl/internal/testcert"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, o kafka.Options) *kafka.Server {
	t.Helper()
	server, err := kafka.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return server
}

func TestContract(t *testing.T) {
	contract.Run(t, start(t, kafka.Options{}).Addrs())
	contract.RunSecured(t, secured(t))
}

// secured starts a broker with TLS and users, of whom one may do nothing.
func secured(t *testing.T) contract.Secured {
	t.Helper()
	authority, err := testcert.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := authority.Issue(testcert.Leaf{Name: "broker"})
	if err != nil {
		t.Fatal(err)
	}
	server, err := authority.Server(pair, false)
	if err != nil {
		t.Fatal(err)
	}
	client, err := authority.Client(pair, false)
	if err != nil {
		t.Fatal(err)
	}
	users := []kafka.User{{Mechanism: "PLAIN", Name: "admin", Password: "a"}}
	for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		users = append(users, kafka.User{Mechanism: mechanism, Name: "ada", Password: "p", ACLs: []kfake.ACL{}})
	}
	return contract.Secured{
		Brokers: start(t, kafka.Options{TLS: server, Users: users}).Addrs(), TLS: client,
		Admin: "admin", AdminPassword: "a", User: "ada", UserPassword: "p",
	}
}

func TestStartsWithTopics(t *testing.T) {
	server := start(t, kafka.Options{Topics: []kafka.Topic{{Name: "dev.auth-service.user-registered.v1", Partitions: 3}}})
	client, err := kgo.NewClient(kgo.SeedBrokers(server.Addrs()...), kgo.DefaultProduceTopic("dev.auth-service.user-registered.v1"),
		kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := client.ProduceSync(ctx, &kgo.Record{Partition: 2, Value: []byte("x")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

func TestStartRefusesABadTopic(t *testing.T) {
	if _, err := kafka.Start(kafka.Options{Topics: []kafka.Topic{{Name: "no spaces"}}}); err == nil {
		t.Fatal("a topic name with a space was taken")
	}
}

func TestStartSaysThatThePortIsTaken(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if _, err := kafka.Start(kafka.Options{Port: listener.Addr().(*net.TCPAddr).Port}); err == nil {
		t.Fatal("a port in use was taken")
	}
}
