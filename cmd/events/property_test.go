package events_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/suokelife/suokectl/internal/failure"
	"github.com/suokelife/suokectl/internal/lab/kafka"
	"github.com/suokelife/suokectl/internal/testcert"
)

// secured points the console to a broker with TLS and SASL, and returns the file
// of its CA.
func (s *console) secured() string {
	s.Helper()
	must := func(err error) {
		s.Helper()
		if err != nil {
			s.Fatal(err)
		}
	}
	authority, err := testcert.New(s.dir)
	must(err)
	pair, err := authority.Issue(testcert.Leaf{Name: "broker"})
	must(err)
	config, err := authority.Server(pair, false)
	must(err)
	server, err := kafka.Start(kafka.Options{
		TLS: config, Topics: []kafka.Topic{{Name: registered}},
		Users: []kafka.User{{Mechanism: "SCRAM-SHA-256", Name: "ada", Password: "secret"}},
	})
	must(err)
	s.Cleanup(func() { _ = server.Close() })
	s.brokers, s.password = server.Addrs()[0], "secret"
	return authority.File
}

func TestPropertiesReachASecuredBroker(t *testing.T) {
	s := newConsole(t)
	ca := s.secured()
	address := s.brokers
	properties := []string{"security.protocol=sasl_ssl", "ssl.ca.location=" + ca, "sasl.mechanisms=SCRAM-SHA-256", "sasl.username=ada", "sasl.password=${env:PASSWORD}"}
	list := func(properties ...string) ran {
		args := []string{"topics", "list", "-o", "name"}
		for _, p := range properties {
			args = append(args, "-X", p)
		}
		return s.run(args...)
	}
	list(properties...).want(t, 0, registered+"\n", "")
	file := filepath.Join(s.dir, "password")
	if err := os.WriteFile(file, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	list(append(slices.Clone(properties[:4]), "sasl.password=${file:"+file+"}")...).want(t, 0, registered+"\n", "")
	list(append(slices.Clone(properties[2:]), "security.protocol=sasl_ssl", "enable.ssl.certificate.verification=false")...).want(t, 0, registered+"\n", "")
	s.brokers = "127.0.0.1:1"
	list(append(slices.Clone(properties), "bootstrap.servers="+address)...).want(t, 0, registered+"\n", "")
	s.brokers = address

	got := list(append(slices.Clone(properties[2:]), "security.protocol=sasl_ssl")...)
	got.want(t, 1, "", "unknown authority")
	if hint := failure.Hint(got.err); !strings.Contains(hint, "-X ssl.ca.location=FILE") {
		t.Errorf("without its CA: hint %q", hint)
	}
	s.password = "wr0ng"
	got = list(properties...)
	got.want(t, 1, "", "connect to Kafka at "+address)
	if hint := failure.Hint(got.err); !strings.Contains(hint, `password of "ada"`) || strings.Contains(hint+got.err.Error()+got.errOut, "wr0ng") {
		t.Errorf("a wrong password: hint %q of %v", hint, got.err)
	}
}

func TestPropertiesThatAreWrong(t *testing.T) {
	s := newConsole(t)
	for property, want := range map[string][2]string{
		"sasl.pasword=x":                             {"is unknown", "did you mean sasl.password?"},
		"no.such.property.at.all=1":                  {"is unknown", "known are"},
		"group.id=g":                                 {"is not taken here", "--group"},
		"ssl.key.password=literal":                   {"not typed on the command line", "${file:"},
		"sasl.password=literal":                      {"not typed on the command line", "${env:"},
		"sasl.password=${env:UNSET}":                 {"the variable is not set", ""},
		"sasl.password=${cmd:echo x}":                {"commands are allowed in your own config.yaml only", ""},
		"security.protocol":                          {"not NAME=VALUE", "for example"},
		"security.protocol=tls":                      {"is plaintext, ssl", ""},
		"security.protocol=sasl_ssl":                 {"no sasl.mechanism", "add sasl.mechanism"},
		"socket.timeout.ms=soon":                     {"milliseconds", ""},
		"fetch.max.bytes=-1":                         {"bytes", ""},
		"enable.ssl.certificate.verification=maybe":  {"true or false", ""},
		"ssl.endpoint.identification.algorithm=none": {"names are verified", ""},
	} {
		got := s.run("topics", "list", "-X", property)
		got.want(t, 2, "", want[0])
		if !strings.Contains(failure.Hint(got.err), want[1]) || strings.Contains(got.err.Error(), "literal") {
			t.Errorf("%s: hint %q of %v", property, failure.Hint(got.err), got.err)
		}
	}
	for _, property := range []string{
		"client.id=on-call", "client.rack=r1", "socket.timeout.ms=3000", "socket.connection.setup.timeout.ms=3000",
		"connections.max.idle.ms=9000", "fetch.wait.max.ms=50", "fetch.min.bytes=1", "fetch.max.bytes=1000000", "max.partition.fetch.bytes=1000000", "security.protocol=plaintext",
	} {
		s.run("consume", registered, "--until", "now", "-X", property).want(t, 0, "", "")
	}
}

func TestPropertiesOfAContext(t *testing.T) {
	s := newConsole(t)
	ca := s.secured()
	dir := filepath.Join(s.dir, ".config", "suokectl")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	write := func(text string) {
		if err := os.WriteFile(filepath.Join(dir, "config.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config := "current_context: shop\ncontexts:\n  shop:\n    kafka:\n      properties:\n        bootstrap.servers: " + s.brokers +
		"\n        security.protocol: sasl_ssl\n        ssl.ca.location: " + ca +
		"\n        sasl.mechanism: SCRAM-SHA-256\n        sasl.username: ada\n        sasl.password: ${env:PASSWORD}\n"
	write(config)
	s.brokers = ""
	s.run("topics", "list", "-o", "name").want(t, 0, registered+"\n", "")
	s.run("topics", "list", "-X", "security.protocol=plaintext").want(t, 1, "", "connect to Kafka")
	write(config + "        sasl.pasword: x\n")
	got := s.run("topics", "list")
	got.want(t, 1, "", `kafka.properties of context "shop": property sasl.pasword is unknown`)
	if failure.Hint(got.err) != "did you mean sasl.password?" {
		t.Errorf("hint %q", failure.Hint(got.err))
	}
}

func TestPropertiesComplete(t *testing.T) {
	s := newConsole(t)
	if got := s.run(cobra.ShellCompNoDescRequestCmd, "topics", "list", "-X", "ssl.ca"); !strings.HasPrefix(got.out, "ssl.ca.location=\n") {
		t.Errorf("%q", got.out)
	}
}

// Of many topics and groups the one that is denied is named, and the others are
// shown.
func TestDeniedOneOfMany(t *testing.T) {
	s := newConsole(t)
	const hidden = "dev.auth-service.user-hidden.v1"
	read := func(kind kmsg.ACLResourceType, name string) kfake.ACL {
		return kfake.ACL{Resource: kind, Name: name, Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: kmsg.ACLOperationRead, Allow: true}
	}
	server, err := kafka.Start(kafka.Options{
		Topics: []kafka.Topic{{Name: registered}, {Name: hidden}},
		Users: []kafka.User{{Mechanism: "PLAIN", Name: "ada", Password: "secret", ACLs: []kfake.ACL{
			read(kmsg.ACLResourceTypeTopic, registered), read(kmsg.ACLResourceTypeGroup, "open"),
		}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	s.brokers, s.password = server.Addrs()[0], "secret"
	as := func(args ...string) ran {
		return s.run(append(args, "-X", "security.protocol=sasl_plaintext", "-X", "sasl.mechanism=PLAIN", "-X", "sasl.username=ada", "-X", "sasl.password=${env:PASSWORD}")...)
	}
	as("topics", "list", "-o", "name").want(t, 0, registered+"\n", "")
	got := as("topics", "describe", hidden, registered, "--window", "0")
	got.want(t, 1, "TOPIC:      "+registered, "describe topic "+hidden+": the cluster's ACLs deny it: TOPIC_AUTHORIZATION_FAILED")
	got.want(t, 1, "SIZE:       -", "not shown of "+registered+": describe the size on the disks of broker 0")
	if !strings.Contains(failure.Hint(got.err), "other credentials") {
		t.Errorf("hint %q", failure.Hint(got.err))
	}
	as("groups", "describe", "closed", "open", "--window", "0").want(t, 1, "", "describe group closed: the cluster's ACLs deny it")
	as("topics", "delete", registered).want(t, 1, "", "delete topic "+registered+": the cluster's ACLs deny it")
	as("topics", "alter", registered, "--config", "retention.ms=1").want(t, 1, "", "the cluster's ACLs deny it")
	as("topics", "create", "dev.auth-service.user-new.v1").want(t, 1, "", "create topic dev.auth-service.user-new.v1: the cluster's ACLs deny it")
}
