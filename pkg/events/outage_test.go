package events_test

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/suokelife/suokectl/pkg/events"
)

// startFake starts a broker that answers as the test says.
func startFake(t *testing.T) (*kfake.Cluster, *events.Client) {
	t.Helper()
	fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, registered))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	client, err := events.New(events.Config{Brokers: fake.ListenAddrs()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return fake, client
}

// crippled answers as a cluster without a controller, where nobody leads
// partition 1 and a replica of partition 0 is behind.
func crippled(fake *kfake.Cluster) func(kmsg.Request) (kmsg.Response, error, bool) {
	return func(req kmsg.Request) (kmsg.Response, error, bool) {
		fake.KeepControl()
		resp := req.ResponseKind().(*kmsg.MetadataResponse)
		host, port, _ := net.SplitHostPort(fake.ListenAddrs()[0])
		number, _ := strconv.Atoi(port)
		broker := kmsg.NewMetadataResponseBroker()
		broker.NodeID, broker.Host, broker.Port = 0, host, int32(number)
		resp.Brokers = append(resp.Brokers, broker)
		resp.ControllerID = -1
		topic := kmsg.NewMetadataResponseTopic()
		topic.Topic, topic.TopicID = kmsg.StringPtr(registered), [16]byte{1}
		for id := range int32(2) {
			p := kmsg.NewMetadataResponseTopicPartition()
			p.Partition, p.Leader, p.Replicas, p.ISR = id, 0, []int32{0, 1}, []int32{0}
			if id == 1 {
				p.Leader, p.ISR, p.OfflineReplicas, p.ErrorCode = -1, nil, []int32{1}, kerr.LeaderNotAvailable.Code
			}
			topic.Partitions = append(topic.Partitions, p)
		}
		if wanted := req.(*kmsg.MetadataRequest).Topics; wanted == nil || len(wanted) > 0 {
			resp.Topics = append(resp.Topics, topic)
		}
		return resp, nil, true
	}
}

func TestPartitionsWithoutALeaderAreTold(t *testing.T) {
	fake, client := startFake(t)
	fake.ControlKey(int16(kmsg.Metadata), crippled(fake))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	topics, err := client.Topics(ctx)
	if err != nil || len(topics) != 1 {
		t.Fatalf("got %+v, %v", topics, err)
	}
	if d := topics[0]; d.Offline != 1 || d.UnderReplicated != 2 || d.Partitions[0].End != 0 || d.Partitions[1].End != -1 || d.Partitions[1].Problem == "" || d.Span() != 0 {
		t.Errorf("got %+v", d)
	}
	cluster, err := client.Cluster(ctx)
	if err != nil || cluster.Controller != -1 || cluster.Offline != 1 || cluster.UnderReplicated != 2 || cluster.Brokers[0].Controller {
		t.Errorf("got %+v, %v", cluster, err)
	}
	if len(cluster.Brokers) != 2 || cluster.Brokers[1].ID != 1 || cluster.Brokers[1].Problem != events.ErrNotInService.Error() {
		t.Errorf("the broker that holds replicas and is not there: %+v", cluster.Brokers)
	}
	offsets, err := client.Offsets(ctx, registered, nil)
	if err != nil || offsets[1].Problem == "" || offsets[0].Problem != "" {
		t.Errorf("got %+v, %v", offsets, err)
	}
}

func TestWithoutAControllerNothingIsChanged(t *testing.T) {
	fake, client := startFake(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	plan, err := client.PlanAlter(ctx, registered, events.TopicChange{Partitions: 3})
	if err != nil {
		t.Fatal(err)
	}
	fake.ControlKey(int16(kmsg.Metadata), crippled(fake))
	fresh, err := events.New(events.Config{Brokers: fake.ListenAddrs()})
	if err != nil {
		t.Fatal(err)
	}
	defer fresh.Close()
	create := fresh.CreateTopic(ctx, events.NewTopic{Name: registered}, false)
	for what, err := range map[string]error{"create": create, "alter": fresh.Alter(ctx, plan), "delete": fresh.DeleteTopic(ctx, registered)} {
		if !errors.Is(err, events.ErrNoController) || !strings.Contains(err.Error(), what+" topic "+registered) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestBrokersThatAreComingBackAreAskedAgain(t *testing.T) {
	fake, client := startFake(t)
	fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Err: kerr.NotLeaderForPartition, Count: 1},
		kfake.Fault{Keys: []kmsg.Key{kmsg.CreateTopics}, TopLevel: true, Err: kerr.NotController, Count: 1},
		kfake.Fault{Keys: []kmsg.Key{kmsg.DescribeGroups}, Err: kerr.CoordinatorLoadInProgress, Count: 1})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if topics, err := client.Topics(ctx); err != nil || topics[0].Partitions[0].Problem != "" {
		t.Errorf("topics: %+v, %v", topics, err)
	}
	if err := client.CreateTopic(ctx, events.NewTopic{Name: "dev.auth-service.user-locked.v1"}, false); err != nil {
		t.Errorf("create: %v", err)
	}
	var unknown *events.UnknownGroupError
	if _, err := client.Groups(ctx, "nobody"); !errors.As(err, &unknown) {
		t.Errorf("group: %v", err)
	}
}

// A topic that is being deleted is unknown to some, and may not be made again
// yet.
func TestTopicThatIsBeingDeleted(t *testing.T) {
	fake, client := startFake(t)
	fake.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.DeleteTopics}, Err: kerr.UnknownTopicOrPartition, Count: -1})
	var unknown *events.UnknownTopicError
	if err := client.DeleteTopic(t.Context(), registered); !errors.As(err, &unknown) || unknown.Topic != registered {
		t.Errorf("delete: %v", err)
	}
	if err := client.CreateTopic(t.Context(), events.NewTopic{Name: registered}, false); !errors.Is(err, events.ErrTopicExists) {
		t.Errorf("create: %v", err)
	}
}

// Apache Kafka tells no default with a topic's retention, and its brokers have it
// in hours.
func TestDefaultsThatOnlyABrokerTells(t *testing.T) {
	fake, client := startFake(t)
	value := func(name, text string, source kmsg.ConfigSource) kmsg.DescribeConfigsResponseResourceConfig {
		c := kmsg.NewDescribeConfigsResponseResourceConfig()
		c.Name, c.Source = name, source
		if text != "" {
			c.Value = &text
		}
		return c
	}
	fake.ControlKey(int16(kmsg.DescribeConfigs), func(req kmsg.Request) (kmsg.Response, error, bool) {
		fake.KeepControl()
		resp := req.ResponseKind().(*kmsg.DescribeConfigsResponse)
		for _, r := range req.(*kmsg.DescribeConfigsRequest).Resources {
			resource := kmsg.NewDescribeConfigsResponseResource()
			resource.ResourceName, resource.ResourceType = r.ResourceName, r.ResourceType
			resource.Configs = append(resource.Configs, value("retention.ms", "1000", kmsg.ConfigSourceDynamicTopicConfig))
			if r.ResourceType == kmsg.ConfigResourceTypeBroker {
				resource.Configs = []kmsg.DescribeConfigsResponseResourceConfig{
					value("log.retention.ms", "", kmsg.ConfigSourceDefaultConfig), value("log.retention.hours", "168", kmsg.ConfigSourceDefaultConfig),
				}
			}
			resp.Resources = append(resp.Resources, resource)
		}
		return resp, nil, true
	})
	described, err := client.DescribeTopics(t.Context(), registered)
	if err != nil {
		t.Fatal(err)
	}
	if own := described[0].Own(); len(own) != 1 || own[0].Default != "604800000" {
		t.Errorf("got %+v", own)
	}
	plan, err := client.PlanAlter(t.Context(), registered, events.TopicChange{Unset: []string{"retention.ms"}})
	if err != nil || plan.Changes[0].After != "604800000" || plan.Changes[0].Warning != "" {
		t.Errorf("got %+v, %v", plan, err)
	}
}
