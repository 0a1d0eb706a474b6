package events_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/suokelife/suokectl/pkg/events"
)

// askQuorum makes a fake offer what KRaft's brokers do: to ask the controllers
// which of them leads.
func askQuorum(fake *kfake.Cluster, answer func(*kmsg.DescribeQuorumResponse)) {
	fake.ControlKey(int16(kmsg.ApiVersions), func(req kmsg.Request) (kmsg.Response, error, bool) {
		fake.KeepControl()
		resp := req.ResponseKind().(*kmsg.ApiVersionsResponse)
		for key, newest := range map[kmsg.Key]int16{kmsg.ApiVersions: 3, kmsg.Metadata: 12, kmsg.DescribeQuorum: 2, kmsg.CreateTopics: 7} {
			version := kmsg.NewApiVersionsResponseApiKey()
			version.ApiKey, version.MaxVersion = int16(key), newest
			resp.ApiKeys = append(resp.ApiKeys, version)
		}
		return resp, nil, true
	})
	fake.ControlKey(int16(kmsg.DescribeQuorum), func(req kmsg.Request) (kmsg.Response, error, bool) {
		fake.KeepControl()
		resp := req.ResponseKind().(*kmsg.DescribeQuorumResponse)
		answer(resp)
		return resp, nil, true
	})
}

func ledBy(id int32, code int16) func(*kmsg.DescribeQuorumResponse) {
	return func(resp *kmsg.DescribeQuorumResponse) {
		partition := kmsg.NewDescribeQuorumResponseTopicPartition()
		partition.LeaderID, partition.ErrorCode = id, code
		topic := kmsg.NewDescribeQuorumResponseTopic()
		topic.Partitions = append(topic.Partitions, partition)
		resp.Topics = append(resp.Topics, topic)
	}
}

// Under KRaft a broker names any broker as the controller.
func TestTheQuorumSaysWhoIsTheController(t *testing.T) {
	denied := func(resp *kmsg.DescribeQuorumResponse) { resp.ErrorCode = kerr.ClusterAuthorizationFailed.Code }
	for name, c := range map[string]struct {
		answer func(*kmsg.DescribeQuorumResponse)
		want   int32
	}{
		"a controller alone": {ledBy(3000, 0), 3000},
		"nobody leads":       {ledBy(-1, 0), -1},
		"may not be asked":   {denied, 0},
		"does not know":      {ledBy(-1, kerr.UnknownTopicOrPartition.Code), 0},
		"says nothing":       {func(*kmsg.DescribeQuorumResponse) {}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			fake, client := startFake(t)
			askQuorum(fake, c.answer)
			cluster, err := client.Cluster(t.Context())
			if err != nil || cluster.Controller != c.want || cluster.Brokers[0].Controller != (c.want == 0) {
				t.Errorf("got %+v, %v", cluster, err)
			}
		})
	}
}

// A quorum that has lost its majority leaves the question open for half a minute.
func TestAQuorumThatDoesNotAnswerHasNoController(t *testing.T) {
	fake, client := startFake(t)
	asked := make(chan struct{})
	askQuorum(fake, func(*kmsg.DescribeQuorumResponse) { fake.SleepControl(func() { <-asked }) })
	defer close(asked)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	err := client.CreateTopic(ctx, events.NewTopic{Name: registered}, false)
	if !errors.Is(err, events.ErrNoController) {
		t.Errorf("got %v", err)
	}
}

// While the broker that looks after some groups does not answer, the others'
// are told, and of those that are not nobody says that they do not exist.
func TestGroupsOfTheBrokersThatAnswer(t *testing.T) {
	fake, err := kfake.NewCluster(kfake.NumBrokers(2), kfake.SeedTopics(1, registered))
	if err != nil {
		t.Fatal(err)
	}
	defer fake.Close()
	client, err := events.New(events.Config{Brokers: fake.ListenAddrs()})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	byNode := map[int32]string{}
	for _, group := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		byNode[fake.CoordinatorFor(group)] = group
	}
	var coordinators []int32
	for node, group := range byNode {
		coordinators = append(coordinators, node)
		member, err := client.Open(ctx, kgo.ConsumerGroup(group), kgo.ConsumeTopics(registered))
		if err != nil {
			t.Fatal(err)
		}
		defer member.Close()
		if _, err := fake.WaitGroupStable(ctx, group, 1); err != nil {
			t.Fatal(err)
		}
	}
	if len(coordinators) != 2 {
		t.Fatalf("all groups are at %v", coordinators)
	}
	slices.Sort(coordinators)
	silent, speaks := coordinators[0], coordinators[1]
	fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListGroups}, Nodes: []int32{silent}, TopLevel: true, Err: kerr.UnknownServerError, Count: -1})
	var unlisted *events.UnlistedGroupsError
	groups, err := client.Groups(ctx)
	if !errors.As(err, &unlisted) || unlisted.Broker != silent || len(groups) != 1 || groups[0].Name != byNode[speaks] {
		t.Errorf("all: %+v, %v", groups, err)
	}
	groups, err = client.Groups(ctx, byNode[speaks])
	if err != nil || len(groups) != 1 || groups[0].Coordinator != speaks {
		t.Errorf("one that is listed: %+v, %v", groups, err)
	}
	var unknown *events.UnknownGroupError
	if _, err := client.Groups(ctx, byNode[silent]); !errors.As(err, &unlisted) || errors.As(err, &unknown) {
		t.Errorf("one that is not: %v", err)
	}
}
