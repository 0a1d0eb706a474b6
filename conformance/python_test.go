//go:build unix

package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/suokelife/suokectl/internal/testenv"
	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/spec"
)

// samples runs the specification's own Python against our libraries, on one
// broker with topics of their own.
type samples struct {
	*testing.T
	pythonClient
	ctx     context.Context
	python  string
	brokers string
	client  *events.Client
}

// pythonClient is a Kafka client that the samples are written with.
type pythonClient struct {
	name, requirements, scripts string
	tooLarge                    string // what it says of a record that is refused
}

// withEachClient runs a test with each of the clients.
func withEachClient(t *testing.T, test func(s *samples)) {
	for _, c := range []pythonClient{
		{"python", "python/requirements.txt", "", "MessageSizeTooLarge"},
		{"confluent", "python/requirements-confluent.txt", "confluent_", "Message size too large"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			test(newSamples(t, c))
		})
	}
}

func newSamples(t *testing.T, c pythonClient) *samples {
	t.Helper()
	brokers := sharedKafka.get(t).Brokers
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	client, err := events.New(events.Config{Brokers: brokers})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return &samples{T: t, pythonClient: c, ctx: ctx, python: testenv.Python(t, c.requirements), brokers: strings.Join(brokers, ","), client: client}
}

func (s *samples) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// topic makes the topic of an event type, and its dead-letter topic.
func (s *samples) topic(eventType string, configs map[string]string) string {
	s.Helper()
	name := "test." + s.service() + "." + eventType + ".v1"
	s.must(s.client.CreateTopic(s.ctx, events.NewTopic{Name: name, Partitions: 1, Configs: configs}, false))
	s.must(s.client.CreateTopic(s.ctx, events.NewTopic{Name: name + ".dlq", Partitions: 1}, false))
	return name
}

func (s *samples) service() string { return s.name + "-service" }

func (s *samples) run(script, stdin string, args ...string) []string {
	s.Helper()
	cmd := exec.CommandContext(s.ctx, s.python, append([]string{"-W", "ignore", "python/" + s.scripts + script}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.Output()
	if err != nil {
		s.Fatalf("%s: %v\n%s", script, err, &stderr)
	}
	return strings.Split(strings.TrimSpace(string(stdout)), "\n")
}

func (s *samples) emit(lines ...string) []string {
	s.Helper()
	return s.run("producer.py", strings.Join(lines, "\n"), s.brokers, s.service(), "test")
}

func (s *samples) read(topic string) []*kgo.Record {
	s.Helper()
	var got []*kgo.Record
	until := events.End()
	_, err := s.client.Scan(s.ctx, events.ScanOptions{Topic: topic, Until: &until}, func(r *kgo.Record) error {
		got = append(got, r)
		return nil
	})
	s.must(err)
	return got
}

func TestPythonConsumerReadsOurEvents(t *testing.T) {
	t.Parallel()
	withEachClient(t, func(s *samples) {
		topic := s.topic("written-by-go", nil)
		producer, err := s.client.NewProducer(s.ctx, events.ProducerOptions{})
		s.must(err)
		want := make(map[string]string)
		for i := range 20 {
			data := `{"n":` + strconv.Itoa(i) + `,"text":"索克"}`
			emitted, err := producer.Emit(s.ctx, events.NewEvent{Env: "test", Service: s.service(), Type: "written-by-go", Data: json.RawMessage(data)})
			s.must(err)
			want[emitted.ID] = data
		}
		s.must(producer.Close(s.ctx))
		for _, line := range s.run("consumer.py", "", s.brokers, "python", topic, "written-by-go", "20") {
			var e struct {
				Meta struct{ ID, Type, Version, Source, Time, Correlation_id string }
				Data struct {
					N    int
					Text string
				}
			}
			s.must(json.Unmarshal([]byte(line), &e))
			if want[e.Meta.ID] != `{"n":`+strconv.Itoa(e.Data.N)+`,"text":"`+e.Data.Text+`"}` || e.Meta.Correlation_id != "none" {
				s.Errorf("the sample read %s", line)
			}
			delete(want, e.Meta.ID)
		}
		if len(want) > 0 {
			s.Errorf("the sample never read %v", want)
		}
	})
}

func TestWeReadThePythonProducersEvents(t *testing.T) {
	t.Parallel()
	withEachClient(t, func(s *samples) {
		topic := s.topic("written-by-python", nil)
		answers := s.emit(`{"event_type":"written-by-python","data":{"a":1.50,"b":"索"},"correlation_id":"r-1","partition_key":"k"}`,
			`{"event_type":"written-by-python","data":[],"naive_time":true}`)
		if strings.Join(answers, " ") != "true true" {
			s.Fatalf("the sample says %v", answers)
		}
		records := s.read(topic)
		if len(records) != 2 {
			s.Fatalf("read %d records", len(records))
		}
		conventions := s.client.Conventions()
		e, err := conventions.ParseEvent(records[0].Value)
		if err != nil || e.Meta.CorrelationID != "r-1" || string(records[0].Key) != "k" || time.Since(e.Meta.Time) > time.Hour {
			s.Errorf("got %+v, %v", e, err)
		}
		_, err = conventions.ParseEvent(records[1].Value)
		var wrong *spec.EnvelopeError
		if !errors.As(err, &wrong) || len(wrong.Problems) != 1 || wrong.Problems[0].Field != "meta.time" || wrong.Problems[0].Hint == "" {
			s.Errorf("the naive time: %v", err)
		}
	})
}

// TestWeReadThePythonProducersDeadLetters has the broker refuse an event, so
// that the sample dead-letters it.
func TestWeReadThePythonProducersDeadLetters(t *testing.T) {
	t.Parallel()
	withEachClient(t, func(s *samples) {
		topic := s.topic("refused", map[string]string{"max.message.bytes": "400"})
		long := strings.Repeat("x", 1000)
		if answers := s.emit(`{"event_type":"refused","data":{"text":"` + long + `"}}`); answers[0] != "false" {
			s.Fatalf("the sample says %v", answers)
		}
		letters := s.read(topic + ".dlq")
		if len(letters) != 1 {
			s.Fatalf("got %d letters", len(letters))
		}
		conventions := s.client.Conventions()
		letter, err := conventions.ParseEvent(letters[0].Value)
		s.must(err)
		if letter.DeadLetter.OriginalTopic != topic || !strings.Contains(letter.DeadLetter.Error, s.tooLarge) || letter.DeadLetter.Time.IsZero() {
			s.Errorf("got %+v", letter.DeadLetter)
		}
		stripped, err := conventions.ParseEvent(conventions.StripDeadLetter(letters[0].Value, ""))
		s.must(err)
		if !stripped.DeadLetter.IsZero() || stripped.Meta != letter.Meta || string(stripped.Data) != string(letter.Data) {
			s.Errorf("stripped to %+v", stripped)
		}
	})
}

// TestPythonConsumerReadsOurDeadLetters: our letters have the three fields
// where the sample puts them.
func TestPythonConsumerReadsOurDeadLetters(t *testing.T) {
	t.Parallel()
	withEachClient(t, func(s *samples) {
		topic := s.topic("failing", nil)
		s.emit(`{"event_type":"failing","data":{}}`)
		dead := make(chan struct{}, 1)
		consumer, err := s.client.NewConsumer(s.ctx, "go", []string{topic}, events.WithRetries(0),
			events.WithHandler("failing", func(context.Context, events.Delivery) error { return errors.New(`it "failed"`) }),
			events.OnDeadLetter(func(events.Delivery, events.Ack, error) { dead <- struct{}{} }))
		s.must(err)
		ctx, stop := context.WithCancel(s.ctx)
		ended := make(chan error, 1)
		go func() { ended <- consumer.Run(ctx) }()
		select {
		case <-dead:
		case err := <-ended:
			s.Fatalf("the consumer ended: %v", err)
		}
		stop()
		s.must(<-ended)
		line := s.run("consumer.py", "", s.brokers, "python", topic+".dlq", "failing", "1")[0]
		var letter struct{ Meta map[string]string }
		s.must(json.Unmarshal([]byte(line), &letter))
		if letter.Meta["error"] != `it "failed"` || letter.Meta["original_topic"] != topic || !strings.HasSuffix(letter.Meta["dlq_time"], "Z") {
			s.Errorf("the sample read %s", line)
		}
	})
}
