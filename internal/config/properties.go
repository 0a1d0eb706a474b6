package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/suokelife/suokectl/pkg/spec"
)

// KafkaClient is all that can be said of a Kafka client: the settings of a
// context, and what has a property and no setting.
type KafkaClient struct {
	Kafka
	// ClientID is what brokers log.
	ClientID string
	// Rack lets brokers answer reads from replicas in it.
	Rack string
	// The timeouts are 0 where nothing was said.
	DialTimeout, RequestTimeout, IdleTimeout time.Duration
	// Fetch bounds what a broker answers a reader with; 0 is not said.
	Fetch struct {
		MinBytes, MaxBytes, MaxPartitionBytes int32
		MaxWait                               time.Duration
	}

	protocol string
}

// PropertyError is returned for a property of a Kafka client that cannot be
// taken.
type PropertyError struct {
	Name string
	// Problem is what is wrong; Hint what to do, or may be empty.
	Problem, Hint string
}

func (e *PropertyError) Error() string { return fmt.Sprintf("property %s %s", e.Name, e.Problem) }

// Client makes the settings of a client. Properties are librdkafka's, as NAME to
// value: those of the context fill what its settings leave empty, and those of
// last win over all. The error is a *PropertyError.
func (k Kafka) Client(last map[string]string) (KafkaClient, error) {
	var c KafkaClient
	if err := c.apply(k.Properties); err != nil {
		return c, err
	}
	c.Kafka = overlay(c.Kafka, k)
	if err := c.apply(last); err != nil {
		return c, err
	}
	return c, c.obeyProtocol()
}

// overlay returns under with all that over says.
func overlay(under, over Kafka) Kafka {
	a, b := Context{Kafka: under}, Context{Kafka: over}
	for _, s := range Settings() {
		if value := s.Get(&b); value != "" && strings.HasPrefix(s.Key, "kafka.") {
			_ = s.Set(&a, value) // it was read from such a setting
		}
	}
	return a.Kafka
}

func (c *KafkaClient) apply(properties map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		p, ok := kafkaProperties()[name]
		if !ok {
			return unknownProperty(name)
		}
		if err := p.set(c, properties[name]); err != nil {
			return &PropertyError{Name: name, Problem: err.Error()}
		}
	}
	return nil
}

func unknownProperty(name string) error {
	if instead, ok := insteadOfProperties()[name]; ok {
		return &PropertyError{Name: name, Problem: "is not taken here", Hint: instead}
	}
	e := &PropertyError{Name: name, Problem: "is unknown", Hint: "known are " + strings.Join(PropertyNames(), ", ")}
	if near := spec.Nearest(name, PropertyNames()); near != "" {
		e.Hint = "did you mean " + near + "?"
	}
	return e
}

// obeyProtocol leaves out what security.protocol does.
func (c *KafkaClient) obeyProtocol() error {
	if c.protocol == "" {
		return nil
	}
	if strings.HasPrefix(c.protocol, "SASL_") {
		if c.SASL.Mechanism == "" {
			return &PropertyError{Name: "security.protocol", Problem: "is " + c.protocol + ", and no sasl.mechanism is given", Hint: "add sasl.mechanism"}
		}
	} else {
		c.SASL = SASL{}
	}
	if strings.HasSuffix(c.protocol, "SSL") {
		c.TLS.Enabled = true
	} else {
		c.TLS = TLS{}
	}
	return nil
}

// PropertyNames lists the properties of a Kafka client, sorted.
func PropertyNames() []string { return slices.Sorted(maps.Keys(kafkaProperties())) }

// IsSecretProperty reports whether the value of a property is never to be shown
// or typed.
func IsSecretProperty(name string) bool { return kafkaProperties()[name].secret }

type kafkaProperty struct {
	secret bool
	set    func(c *KafkaClient, value string) error
}

// kafkaProperties are those of librdkafka that say something of a connection.
func kafkaProperties() map[string]kafkaProperty {
	text := func(field func(c *KafkaClient) *string) kafkaProperty {
		return kafkaProperty{set: func(c *KafkaClient, value string) error { *field(c) = value; return nil }}
	}
	secret := func(field func(c *KafkaClient) *string) kafkaProperty {
		return kafkaProperty{secret: true, set: text(field).set}
	}
	brokers := kafkaProperty{set: func(c *KafkaClient, value string) error { c.Brokers = splitList(value); return nil }}
	mechanism := text(func(c *KafkaClient) *string { return &c.SASL.Mechanism })
	partitionBytes := size(func(c *KafkaClient) *int32 { return &c.Fetch.MaxPartitionBytes })
	return map[string]kafkaProperty{
		"bootstrap.servers":    brokers,
		"metadata.broker.list": brokers,
		"client.id":            text(func(c *KafkaClient) *string { return &c.ClientID }),
		"client.rack":          text(func(c *KafkaClient) *string { return &c.Rack }),
		"security.protocol":    {set: setProtocol},

		"sasl.mechanism":                      mechanism,
		"sasl.mechanisms":                     mechanism,
		"sasl.username":                       text(func(c *KafkaClient) *string { return &c.SASL.Username }),
		"sasl.password":                       secret(func(c *KafkaClient) *string { return &c.SASL.Password }),
		"sasl.oauthbearer.token":              secret(func(c *KafkaClient) *string { return &c.SASL.Token }),
		"sasl.oauthbearer.token.endpoint.url": text(func(c *KafkaClient) *string { return &c.SASL.TokenURL }),
		"sasl.oauthbearer.client.id":          text(func(c *KafkaClient) *string { return &c.SASL.ClientID }),
		"sasl.oauthbearer.client.secret":      secret(func(c *KafkaClient) *string { return &c.SASL.ClientSecret }),
		"sasl.oauthbearer.scope":              text(func(c *KafkaClient) *string { return &c.SASL.Scope }),
		"sasl.oauthbearer.method":             {set: setMethod},

		"ssl.ca.location":                       text(func(c *KafkaClient) *string { return &c.TLS.CA }),
		"ssl.certificate.location":              text(func(c *KafkaClient) *string { return &c.TLS.Cert }),
		"ssl.key.location":                      text(func(c *KafkaClient) *string { return &c.TLS.Key }),
		"ssl.key.password":                      secret(func(c *KafkaClient) *string { return &c.TLS.KeyPassword }),
		"enable.ssl.certificate.verification":   {set: setVerification},
		"ssl.endpoint.identification.algorithm": {set: setIdentification},

		"socket.timeout.ms":                  milliseconds(func(c *KafkaClient) *time.Duration { return &c.RequestTimeout }),
		"socket.connection.setup.timeout.ms": milliseconds(func(c *KafkaClient) *time.Duration { return &c.DialTimeout }),
		"connections.max.idle.ms":            milliseconds(func(c *KafkaClient) *time.Duration { return &c.IdleTimeout }),
		"fetch.wait.max.ms":                  milliseconds(func(c *KafkaClient) *time.Duration { return &c.Fetch.MaxWait }),
		"fetch.min.bytes":                    size(func(c *KafkaClient) *int32 { return &c.Fetch.MinBytes }),
		"fetch.max.bytes":                    size(func(c *KafkaClient) *int32 { return &c.Fetch.MaxBytes }),
		"fetch.message.max.bytes":            partitionBytes,
		"max.partition.fetch.bytes":          partitionBytes,
	}
}

func milliseconds(field func(c *KafkaClient) *time.Duration) kafkaProperty {
	return kafkaProperty{set: func(c *KafkaClient, value string) error {
		n, err := strconv.ParseUint(value, 10, 31)
		if err != nil || n == 0 {
			return fmt.Errorf("is a number of milliseconds above 0, not %q", value)
		}
		*field(c) = time.Duration(n) * time.Millisecond
		return nil
	}}
}

func size(field func(c *KafkaClient) *int32) kafkaProperty {
	return kafkaProperty{set: func(c *KafkaClient, value string) error {
		n, err := strconv.ParseUint(value, 10, 31)
		if err != nil || n == 0 {
			return fmt.Errorf("is a number of bytes from 1 to 2147483647, not %q", value)
		}
		*field(c) = int32(n)
		return nil
	}}
}

func setProtocol(c *KafkaClient, value string) error {
	c.protocol = strings.ToUpper(value)
	if !slices.Contains([]string{"PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"}, c.protocol) {
		return fmt.Errorf("is plaintext, ssl, sasl_plaintext or sasl_ssl, not %q", value)
	}
	return nil
}

func setMethod(_ *KafkaClient, value string) error {
	if value != "default" && value != "oidc" {
		return fmt.Errorf("is default or oidc, not %q", value)
	}
	return nil // which of the two it is shows by the endpoint's URL
}

func setVerification(c *KafkaClient, value string) error {
	verify, err := strconv.ParseBool(value)
	if err != nil {
		return fmt.Errorf("is true or false, not %q", value)
	}
	c.TLS.Insecure = !verify
	return nil
}

func setIdentification(_ *KafkaClient, value string) error {
	if value != "https" {
		return errors.New("is https: names are verified unless nothing is, by enable.ssl.certificate.verification=false")
	}
	return nil
}

// insteadOfProperties says how suokectl does what other properties of librdkafka
// are for.
func insteadOfProperties() map[string]string {
	const files = "give files: ssl.ca.location, ssl.certificate.location and ssl.key.location"
	const kerberos = "Kerberos is not spoken: use PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER"
	const produce = "produce and emit wait for all in-sync replicas and keep the order; their flags say the rest"
	return map[string]string{ //nolint:gosec // words on passwords, and no password
		"group.id":                           "use the flag --group of the verb",
		"auto.offset.reset":                  "use the flag --from of the verb",
		"isolation.level":                    "use the flag --isolation of consume",
		"enable.auto.commit":                 "what is committed is what was handled",
		"enable.partition.eof":               "use the flag --until now",
		"acks":                               produce,
		"request.required.acks":              produce,
		"enable.idempotence":                 produce,
		"linger.ms":                          produce,
		"batch.size":                         produce,
		"batch.num.messages":                 produce,
		"compression.type":                   produce,
		"compression.codec":                  produce,
		"message.timeout.ms":                 produce,
		"debug":                              "use -v",
		"ssl.ca.pem":                         files,
		"ssl.certificate.pem":                files,
		"ssl.key.pem":                        files,
		"ssl.keystore.location":              files,
		"ssl.truststore.location":            files,
		"sasl.kerberos.service.name":         kerberos,
		"sasl.kerberos.keytab":               kerberos,
		"sasl.kerberos.principal":            kerberos,
		"sasl.oauthbearer.config":            "give a token: sasl.oauthbearer.token",
		"sasl.jaas.config":                   "use sasl.mechanism, sasl.username and sasl.password",
		"ssl.truststore.password":            files,
		"ssl.keystore.password":              files,
		"broker.address.family":              "the address itself says it",
		"api.version.request":                "versions are always asked for",
		"topic.metadata.refresh.interval.ms": "topics are looked up when they are used",
	}
}
