package events_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/pkg/events/spool"
)

// newFaulty is a console before a broker that can be told to fail.
func newFaulty(t *testing.T) (*console, *kfake.Cluster) {
	t.Helper()
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, registered, registered+".dlq"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return &console{T: t, ctx: ctx, brokers: strings.Join(broker.ListenAddrs(), ","), dir: t.TempDir()}, broker
}

// spool opens the spool of the console's context.
func (s *console) spool() *spool.Spool {
	s.Helper()
	kept, err := spool.Open(filepath.Join(s.dir, ".local", "state", "suokectl", "spool", "kafka-"), spool.Options{})
	if err != nil {
		s.Fatal(err)
	}
	return kept
}

func TestTheSpoolIsListedAndSent(t *testing.T) {
	s := newConsole(t)
	s.run("produce", "--spool", "--dry-run").want(t, 0, "", "The spool is empty")
	s.run("produce", "--spool").want(t, 0, "STORED", "")
	kept := s.spool()
	s.run("produce", "--spool").want(t, 1, "", "in use by another process")
	s.run("emit", "user-registered", "--service", "auth-service", "--data", "{}").want(t, 0, "OFFSET", "") // it needs none
	err := errors.Join(
		kept.Append(spool.Entry{ID: 1, State: spool.MaybeStored, Topic: registered, Key: []byte("k\x1b[2J"), Value: []byte(event("e-1"))},
			spool.Entry{ID: 2, State: spool.Waiting, Topic: registered, Key: []byte("k\x1b[2J"), Value: []byte(event("e-2"))},
			spool.Entry{ID: 3, State: spool.Waiting, Topic: "dev.auth-service.nowhere.v1", Value: []byte(event("e-3"))}),
		kept.Close())
	if err != nil {
		t.Fatal(err)
	}
	s.run("produce", "--spool", "--dry-run", "-o", "json", "--jq", ".[].state").want(t, 0, "maybe_stored\nwaiting\nwaiting\n", "")
	s.run("produce", "--spool", "-o", "json", "--jq", "[.stored, .repeated, .left]").want(t, 1, "[2,1,1]", "remain in the spool")
	for args, reason := range map[string]string{
		"produce":                          "either a topic or --spool",
		"produce --spool " + registered:    "either a topic or --spool",
		"produce --spool -f events.ndjson": "reads no file",
	} {
		s.run(strings.Fields(args)...).want(t, 2, "", reason)
	}
}

func TestAnEventOfUnknownOutcomeIsKeptAndSentLater(t *testing.T) {
	s, broker := newFaulty(t)
	held := make(chan struct{})
	release := sync.OnceFunc(func() { close(held) })
	defer release()
	arrived := make(chan struct{}, 8)
	broker.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		arrived <- struct{}{}
		broker.SleepControl(func() { <-held })
		return nil, nil, false
	})
	ctx, interrupt := context.WithCancel(s.ctx)
	go func() { // an impatient user
		<-arrived
		interrupt()
	}()
	emit := []string{"emit", "user-registered", "--service", "auth-service", "--key", "k", "--data"}
	s.runWith(ctx, "", func(*iostreams.IOStreams) {}, append(emit, `{"n":1}`)...).want(t, 1, "", "kept in the spool")
	s.run("produce", "--spool", "--dry-run").want(t, 0, "maybe_stored", "")
	release()
	began := time.Now()
	s.run("produce", "--spool", "-o", "json").want(t, 0, `"repeated": 1`, "")
	s.run("produce", "--spool", "--dry-run").want(t, 0, "", "The spool is empty")
	s.run(append(emit, `{"n":2}`)...).want(t, 0, "OFFSET", "")
	if took := time.Since(began); took > patience/2 {
		t.Errorf("it took %s", took)
	}
}

func TestWhereARejectedEventWent(t *testing.T) {
	s, broker := newFaulty(t)
	emit := []string{"emit", "user-registered", "--service", "auth-service", "--data", "{}"}
	s.run("emit", "no-topic", "--service", "auth-service", "--data", "{}").want(t, 1, "", "nothing is stored in")
	broker.ControlKey(int16(kmsg.Produce), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		req := kreq.(*kmsg.ProduceRequest)
		resp := req.ResponseKind().(*kmsg.ProduceResponse)
		for _, topic := range req.Topics {
			answer := kmsg.NewProduceResponseTopic()
			answer.Topic, answer.TopicID = topic.Topic, topic.TopicID
			partition := kmsg.NewProduceResponseTopicPartition()
			partition.ErrorCode = kerr.TopicAuthorizationFailed.Code
			answer.Partitions = append(answer.Partitions, partition)
			resp.Topics = append(resp.Topics, answer)
		}
		return resp, nil, true // once: the dead letter passes
	})
	s.run(emit...).want(t, 1, "", "dead-lettered to "+registered+".dlq partition 0 offset 0: TOPIC_AUTHORIZATION_FAILED")
	s.run(emit...).want(t, 0, "OFFSET", "")
}
