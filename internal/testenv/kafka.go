//go:build unix

package testenv

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// KafkaVersion is the version of the Apache Kafka broker.
const KafkaVersion = "4.3.1"

var (
	//go:embed kafka/pom.xml
	kafkaPOM []byte
	//go:embed kafka/sha256sums
	kafkaSums []byte
	//go:embed kafka/log4j2.properties
	kafkaLogging []byte
)

// KafkaServer is one Apache Kafka broker in KRaft mode, without TLS and SASL but
// for what [KafkaSecured] adds. Topics are not created by themselves.
type KafkaServer struct {
	Brokers []string // bootstrap addresses, host:port
	// Inner is where the proxy of [KafkaBehind] connects to; empty without one.
	Inner string

	home string // the jars
	dir  string // configuration, log and data
	id   int
	jvm  []string // its flags
	proc *process
}

// Kafka starts a broker that lives as long as the test.
func Kafka(t testing.TB) *KafkaServer {
	t.Helper()
	server, err := StartKafka(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	tie(t, server.Stop, server.Log)
	return server
}

// StartKafka starts a broker which keeps everything in dir. The caller stops it.
func StartKafka(dir string) (*KafkaServer, error) {
	home, err := installKafka()
	if err != nil {
		return nil, err
	}
	return startKafka(home, dir)
}

// KafkaBehind starts a broker that lives as long as the test and, besides its
// own listener, has one whose clients are told to come back through a proxy at
// an address: the proxy connects to Inner.
func KafkaBehind(t testing.TB, proxy string) *KafkaServer {
	t.Helper()
	home, err := installKafka()
	if err != nil {
		t.Fatal(err)
	}
	server, err := startKafka(home, t.TempDir(), behind(proxy))
	if err != nil {
		t.Fatal(err)
	}
	tie(t, server.Stop, server.Log)
	return server
}

// A listener is one more of a broker.
type listener struct {
	name, protocol      string
	address, advertised string
}

// behind is the listener that a proxy connects to.
func behind(proxy string) listener {
	return listener{name: "BEHIND", protocol: "PLAINTEXT", address: loopback(freePort()), advertised: proxy}
}

func startKafka(home, dir string, more ...listener) (*KafkaServer, error) {
	port := freePort()
	server := newKafka(home, dir, 1, port)
	for _, l := range more {
		server.Inner = l.address
	}
	if err := server.format(quorum{freePort()}, port, more, ""); err != nil {
		return nil, fmt.Errorf("start kafka: %w", err)
	}
	return server, server.start()
}

func newKafka(home, dir string, id, port int) *KafkaServer {
	return &KafkaServer{Brokers: []string{loopback(port)}, home: home, dir: dir, id: id, jvm: []string{"-Xmx1g"}}
}

// A quorum is the ports on which the nodes of a cluster, from 1 on, are its
// controllers.
type quorum []int

func (q quorum) voters() string {
	voters := make([]string, len(q))
	for i, port := range q {
		voters[i] = fmt.Sprintf("%d@%s", i+1, loopback(port))
	}
	return strings.Join(voters, ",")
}

// format writes the configuration, to which further lines are added, and an
// empty log folder with a cluster id; arguments are further ones of the tool.
func (s *KafkaServer) format(q quorum, port int, more []listener, lines string, arguments ...string) error {
	var addresses, advertised, protocols string
	for _, l := range more {
		addresses += "," + l.name + "://" + l.address
		advertised += "," + l.name + "://" + l.advertised
		protocols += "," + l.name + ":" + l.protocol
	}
	properties := fmt.Sprintf(`process.roles=broker,controller
node.id=%[8]d
controller.quorum.voters=%[9]s
listeners=PLAINTEXT://127.0.0.1:%[1]d,CONTROLLER://127.0.0.1:%[2]d%[4]s
advertised.listeners=PLAINTEXT://127.0.0.1:%[1]d%[5]s
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT%[6]s
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
log.dirs=%[3]s
auto.create.topics.enable=false
offsets.topic.num.partitions=4
offsets.topic.replication.factor=%[10]d
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=%[10]d
transaction.state.log.min.isr=%[11]d
share.coordinator.state.topic.replication.factor=%[10]d
share.coordinator.state.topic.min.isr=%[11]d
group.initial.rebalance.delay.ms=0
group.consumer.session.timeout.ms=6000
group.consumer.min.session.timeout.ms=6000
group.consumer.heartbeat.interval.ms=1000
group.consumer.min.heartbeat.interval.ms=1000
%[7]s`, port, q[s.id-1], filepath.Join(s.dir, "data"), addresses, advertised, protocols, lines,
		s.id, q.voters(), len(q), len(q)/2+1)
	if err := os.WriteFile(s.path("log4j2.properties"), kafkaLogging, 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(s.path("server.properties"), []byte(properties), 0o600); err != nil {
		return err
	}
	// Any 16 bytes in unpadded base64 are a cluster id.
	return run(s.dir, nil, "java", append([]string{"-cp", s.home + "/*", "kafka.tools.StorageTool",
		"format", "-t", "c3Vva2VjdGwtdGVzdGVudg", "-c", s.path("server.properties")}, arguments...)...)
}

func (s *KafkaServer) path(name string) string { return filepath.Join(s.dir, name) }

func (s *KafkaServer) start() error {
	proc, err := launch(s.dir, "kafka", exec.Command("java", append(slices.Clone(s.jvm), "-cp", s.home+"/*",
		"-Dlog4j2.configurationFile="+s.path("log4j2.properties"), "kafka.Kafka", s.path("server.properties"))...))
	if err != nil {
		return err
	}
	s.proc = proc
	if err := proc.awaitReady(s.probe); err != nil {
		proc.kill()
		return err
	}
	return nil
}

// probe asks for the cluster's metadata; the broker is listed once it is in service.
func (s *KafkaServer) probe(ctx context.Context) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(s.Brokers...), kgo.RequestRetries(0))
	if err != nil {
		return err
	}
	defer client.Close()
	metadata, err := kadm.NewClient(client).BrokerMetadata(ctx)
	if err != nil {
		return err
	}
	if !slices.Contains(metadata.Brokers.NodeIDs(), int32(s.id)) {
		return errors.New("the broker is not in service yet")
	}
	return nil
}

// Restart stops the broker if it runs and starts it again on the same ports with the same data.
func (s *KafkaServer) Restart() error {
	s.Stop()
	return s.start()
}

// Stop shuts the broker down in good order and waits. It may be called twice.
func (s *KafkaServer) Stop() { s.proc.stop() }

// Kill ends the broker with SIGKILL and waits. Restart brings it back.
func (s *KafkaServer) Kill() { s.proc.kill() }

// Log returns the last lines of the broker's log.
func (s *KafkaServer) Log() []byte { return s.proc.tail() }
