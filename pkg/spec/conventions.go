package spec

import (
	"errors"
	"fmt"
	"strings"
)

// Conventions are the names an organisation has agreed on. Start from
// [Default], which is the specification, and change what differs; the zero
// value is not useful. A Conventions is a value: copies are independent but
// for the Environments slice, which nobody changes.
type Conventions struct {
	// Organization is the first part of every proto package:
	// <organization>.<service>.v<N>. Default "suokelife".
	Organization string      `json:"organization" yaml:"organization"`
	Topic        TopicFormat `json:"topic" yaml:"topic"`
	Envelope     Envelope    `json:"envelope" yaml:"envelope"`
	DeadLetter   DLQ         `json:"dead_letter" yaml:"dead_letter"`
	Headers      Headers     `json:"headers" yaml:"headers"`
	Token        Token       `json:"token" yaml:"token"`
	// RetryAfterDeadline says which calls are tried again after DEADLINE_EXCEEDED.
	// Default "always", as the specification has it (G3).
	RetryAfterDeadline AfterDeadline `json:"retry_after_deadline" yaml:"retry_after_deadline"`
}

// AfterDeadline says which calls are tried again when a try ran out of time, so
// that what it asked for may have been done.
type AfterDeadline string

// The values of an [AfterDeadline].
const (
	// RetryAlways tries all calls again.
	RetryAlways AfterDeadline = "always"
	// RetryIdempotent tries those again whose method's definition has an
	// idempotency_level of NO_SIDE_EFFECTS or IDEMPOTENT.
	RetryIdempotent AfterDeadline = "idempotent"
)

// TopicFormat says how topic names are made.
type TopicFormat struct {
	// Format is the parts of a name, divided by dots. A part is a placeholder,
	// {env}, {service}, {event} or {version}, or literal text. {event} must be
	// there, and each placeholder at most once.
	// Default "{env}.{service}.{event}.{version}".
	Format string `json:"format" yaml:"format"`
	// Environments are the values of {env}. Default dev, test, staging, prod.
	Environments []string `json:"environments" yaml:"environments"`
}

// Envelope holds the field names of an event. The defaults are meta, data, id,
// type, version, source, time and correlation_id.
type Envelope struct {
	Meta          string `json:"meta" yaml:"meta"`
	Data          string `json:"data" yaml:"data"`
	ID            string `json:"id" yaml:"id"`
	Type          string `json:"type" yaml:"type"`
	Version       string `json:"version" yaml:"version"`
	Source        string `json:"source" yaml:"source"`
	Time          string `json:"time" yaml:"time"`
	CorrelationID string `json:"correlation_id" yaml:"correlation_id"`
}

// DLQ names what a dead letter carries: the suffixes of its topics and the
// fields that are added to meta.
type DLQ struct {
	// Suffix makes the dead-letter topic of a topic. Default ".dlq".
	Suffix string `json:"suffix" yaml:"suffix"`
	// ParkedSuffix makes the topic for letters that are given up. Default ".parked".
	ParkedSuffix string `json:"parked_suffix" yaml:"parked_suffix"`
	// Error, OriginalTopic and Time are the fields in meta.
	// Defaults "error", "original_topic" and "dlq_time".
	Error         string `json:"error" yaml:"error"`
	OriginalTopic string `json:"original_topic" yaml:"original_topic"`
	Time          string `json:"time" yaml:"time"`
}

// Headers holds the names of request metadata, the same in gRPC metadata, HTTP
// and Kafka headers. gRPC wants them in lower case.
type Headers struct {
	RequestID     string `json:"request_id" yaml:"request_id"`
	ClientVersion string `json:"client_version" yaml:"client_version"`
	APIVersion    string `json:"api_version" yaml:"api_version"`
	Authorization string `json:"authorization" yaml:"authorization"`
}

// Token holds the claims of a service token (A1).
type Token struct {
	// Issuer is the iss claim. It is the name of the calling service and so has no default.
	Issuer string `json:"issuer,omitempty" yaml:"issuer,omitempty"`
	// Subject is the sub claim. Default "service-account".
	Subject string `json:"subject" yaml:"subject"`
	// Audience is the aud claim. Default "internal-services".
	Audience string `json:"audience" yaml:"audience"`
}

// Default returns the specification's conventions.
func Default() Conventions {
	return Conventions{
		Organization: "suokelife",
		Topic: TopicFormat{
			Format:       "{env}.{service}.{event}.{version}",
			Environments: []string{"dev", "test", "staging", "prod"},
		},
		Envelope: Envelope{
			Meta: "meta", Data: "data",
			ID: "id", Type: "type", Version: "version", Source: "source",
			Time: "time", CorrelationID: "correlation_id",
		},
		DeadLetter: DLQ{
			Suffix: ".dlq", ParkedSuffix: ".parked",
			Error: "error", OriginalTopic: "original_topic", Time: "dlq_time",
		},
		Headers: Headers{
			RequestID:     HeaderRequestID,
			ClientVersion: HeaderClientVersion,
			APIVersion:    HeaderAPIVersion,
			Authorization: HeaderAuthorization,
		},
		Token:              Token{Subject: TokenSubject, Audience: TokenAudience},
		RetryAfterDeadline: RetryAlways,
	}
}

// Validate says what is wrong with conventions that were read from a file, one
// joined error a defect, each naming the key as it is spelled there. It returns
// nil when they can be used.
func (c Conventions) Validate() error {
	errs := []error{c.Topic.validate(), c.DeadLetter.validate(), c.RetryAfterDeadline.validate()}
	for _, f := range c.named() {
		if f.value == "" {
			errs = append(errs, fmt.Errorf("%s is empty", f.key))
		}
	}
	for _, group := range [][]string{
		{c.Envelope.Meta, c.Envelope.Data},
		c.metaFields(),
		{c.Headers.RequestID, c.Headers.ClientVersion, c.Headers.APIVersion, c.Headers.Authorization},
	} {
		errs = append(errs, distinct(group))
	}
	return errors.Join(errs...)
}

type namedValue struct{ key, value string }

// named lists the names that may not be empty.
func (c Conventions) named() []namedValue {
	return []namedValue{
		{"organization", c.Organization},
		{"envelope.meta", c.Envelope.Meta}, {"envelope.data", c.Envelope.Data},
		{"envelope.id", c.Envelope.ID}, {"envelope.type", c.Envelope.Type},
		{"envelope.version", c.Envelope.Version}, {"envelope.source", c.Envelope.Source},
		{"envelope.time", c.Envelope.Time}, {"envelope.correlation_id", c.Envelope.CorrelationID},
		{"dead_letter.error", c.DeadLetter.Error}, {"dead_letter.original_topic", c.DeadLetter.OriginalTopic},
		{"dead_letter.time", c.DeadLetter.Time},
		{"headers.request_id", c.Headers.RequestID}, {"headers.client_version", c.Headers.ClientVersion},
		{"headers.api_version", c.Headers.APIVersion}, {"headers.authorization", c.Headers.Authorization},
		{"token.subject", c.Token.Subject}, {"token.audience", c.Token.Audience},
	}
}

// metaFields lists everything that may stand in meta.
func (c Conventions) metaFields() []string {
	e, d := c.Envelope, c.DeadLetter
	return []string{e.ID, e.Type, e.Version, e.Source, e.Time, e.CorrelationID, d.Error, d.OriginalTopic, d.Time}
}

func distinct(names []string) error {
	for i, name := range names {
		for _, other := range names[:i] {
			if name != "" && name == other {
				return fmt.Errorf("the name %q is used twice", name)
			}
		}
	}
	return nil
}

func (a AfterDeadline) validate() error {
	if a != RetryAlways && a != RetryIdempotent {
		return fmt.Errorf("retry_after_deadline is %q: it is %s or %s", a, RetryAlways, RetryIdempotent)
	}
	return nil
}

func (d DLQ) validate() error {
	for _, f := range []namedValue{{"dead_letter.suffix", d.Suffix}, {"dead_letter.parked_suffix", d.ParkedSuffix}} {
		if f.value == "" || !legalTopicChars(f.value) || len(f.value) > maxKafkaTopic/2 {
			return fmt.Errorf("%s is %q: want a short text of letters, digits, '.', '_' and '-'", f.key, f.value)
		}
	}
	if strings.HasSuffix(d.Suffix, d.ParkedSuffix) || strings.HasSuffix(d.ParkedSuffix, d.Suffix) {
		return fmt.Errorf("dead_letter.suffix %q and parked_suffix %q cannot be told apart", d.Suffix, d.ParkedSuffix)
	}
	return nil
}
