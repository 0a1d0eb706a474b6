package kafka

import (
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

func topicCases() []contractCase {
	return []contractCase{
		{"topic/created topic is described", createdTopicIsDescribed},
		{"topic/existing name is refused", existingNameIsRefused},
		{"topic/illegal names are refused", illegalNamesAreRefused},
		{"topic/dot and underscore collide", dotAndUnderscoreCollide},
		{"topic/good topics of a mixed request are created", mixedRequest},
		{"topic/partition counts are checked", partitionCountsAreChecked},
		{"topic/replication factor is checked", replicationFactorIsChecked},
		{"topic/unknown config is refused", unknownConfigIsRefused},
		{"topic/bad config value is refused", badConfigValueIsRefused},
		{"topic/configs are kept", configsAreKept},
		{"topic/validate only creates nothing", validateOnlyCreatesNothing},
		{"topic/partitions can be added, not removed", partitionsCanBeAdded},
		{"topic/deleted topic is gone and its name is free", deletedTopicIsGone},
		{"topic/recreated topic has a new id", recreatedTopicHasANewID},
		{"topic/unknown topic is an error", unknownTopicIsAnError},
	}
}

func createdTopicIsDescribed(b *bench) {
	topic := b.topic(3)
	details, err := b.admin.ListTopics(b.ctx, topic)
	b.must(err)
	d := details[topic]
	b.must(d.Err)
	equal(b, "partitions", len(d.Partitions), 3)
	equal(b, "replicas", d.Partitions.NumReplicas(), 1)
	equal(b, "internal", d.IsInternal, false)
	if d.ID == [16]byte{} {
		b.Fatal("no topic id")
	}
}

func existingNameIsRefused(b *bench) {
	_, err := b.admin.CreateTopic(b.ctx, 1, 1, nil, b.topic(1))
	b.refused(err, kerr.TopicAlreadyExists)
}

func illegalNamesAreRefused(b *bench) {
	for _, name := range []string{".", "..", "a b", "a/b", "事件", "a:b", strings.Repeat("x", 250)} {
		_, err := b.admin.CreateTopic(b.ctx, 1, 1, nil, name)
		b.refused(err, kerr.InvalidTopicException)
	}
	longest := b.name(strings.Repeat("x", 249-len(b.name(""))))
	_, err := b.admin.CreateTopic(b.ctx, 1, 1, nil, longest)
	b.must(err)
}

func dotAndUnderscoreCollide(b *bench) {
	name := b.name("a.b")
	_, err := b.admin.CreateTopic(b.ctx, 1, 1, nil, name)
	b.must(err)
	_, err = b.admin.CreateTopic(b.ctx, 1, 1, nil, strings.ReplaceAll(name, ".", "_"))
	b.refused(err, kerr.InvalidTopicException)
}

func mixedRequest(b *bench) {
	good, bad := b.name("good"), b.name("bad topic")
	answers, err := b.admin.CreateTopics(b.ctx, 1, 1, nil, good, bad)
	b.must(err)
	b.must(answers[good].Err)
	b.refused(answers[bad].Err, kerr.InvalidTopicException)
}

func partitionCountsAreChecked(b *bench) {
	for _, n := range []int32{0, -2} {
		_, err := b.admin.CreateTopic(b.ctx, n, 1, nil, b.name("partitions"))
		b.refused(err, kerr.InvalidPartitions)
	}
	answer, err := b.admin.CreateTopic(b.ctx, -1, -1, nil, b.name("defaults"))
	b.must(err)
	equal(b, "default partitions", answer.NumPartitions, 1)
}

func replicationFactorIsChecked(b *bench) {
	for _, n := range []int16{0, -2, 99} {
		_, err := b.admin.CreateTopic(b.ctx, 1, n, nil, b.name("replicas"))
		b.refused(err, kerr.InvalidReplicationFactor)
	}
}

func unknownConfigIsRefused(b *bench) {
	value := "1"
	_, err := b.admin.CreateTopic(b.ctx, 1, 1, map[string]*string{"retention.minutes": &value}, b.name("config"))
	b.refused(err, kerr.InvalidConfig)
}

func badConfigValueIsRefused(b *bench) {
	for name, value := range map[string]string{"retention.ms": "a day", "cleanup.policy": "burn"} {
		_, err := b.admin.CreateTopic(b.ctx, 1, 1, map[string]*string{name: &value}, b.name("config"))
		b.refused(err, kerr.InvalidConfig)
	}
}

func configsAreKept(b *bench) {
	topic := b.topic(1, "retention.ms", "86400000", "cleanup.policy", "compact")
	described, err := b.admin.DescribeTopicConfigs(b.ctx, topic)
	b.must(err)
	got := make(map[string]string)
	for _, c := range described[0].Configs {
		got[c.Key] = c.MaybeValue()
	}
	equal(b, "retention.ms", got["retention.ms"], "86400000")
	equal(b, "cleanup.policy", got["cleanup.policy"], "compact")
}

func validateOnlyCreatesNothing(b *bench) {
	name := b.name("dry")
	answers, err := b.admin.ValidateCreateTopics(b.ctx, 1, 1, nil, name)
	b.must(err)
	b.must(answers[name].Err)
	topics, err := b.admin.ListTopics(b.ctx)
	b.must(err)
	equal(b, "exists", topics.Has(name), false)
}

func partitionsCanBeAdded(b *bench) {
	topic := b.topic(1)
	answers, err := b.admin.UpdatePartitions(b.ctx, 4, topic)
	b.must(err)
	b.must(answers[topic].Err)
	b.eventually("4 partitions", func() bool {
		details, err := b.admin.ListTopics(b.ctx, topic)
		return err == nil && len(details[topic].Partitions) == 4
	})
	answers, err = b.admin.UpdatePartitions(b.ctx, 2, topic)
	b.must(err)
	b.refused(answers[topic].Err, kerr.InvalidPartitions)
}

func deletedTopicIsGone(b *bench) {
	topic := b.topic(1)
	_, err := b.admin.DeleteTopic(b.ctx, topic)
	b.must(err)
	b.eventually("the topic is gone", func() bool {
		topics, err := b.admin.ListTopics(b.ctx)
		return err == nil && !topics.Has(topic)
	})
	_, err = b.admin.DeleteTopic(b.ctx, topic)
	b.refused(err, kerr.UnknownTopicOrPartition)
	_, err = b.admin.CreateTopic(b.ctx, 1, 1, nil, topic)
	b.must(err)
}

func recreatedTopicHasANewID(b *bench) {
	topic := b.topic(1)
	id := func() (id [16]byte) {
		admin := kadm.NewClient(b.connect()) // a fresh one has no cached metadata
		b.eventually("the topic has an id", func() bool {
			topics, err := admin.ListTopics(b.ctx, topic)
			id = topics[topic].ID
			return err == nil && topics[topic].Err == nil
		})
		return id
	}
	before := id()
	_, err := b.admin.DeleteTopic(b.ctx, topic)
	b.must(err)
	b.eventually("the name is free", func() bool {
		_, err = b.admin.CreateTopic(b.ctx, 1, 1, nil, topic)
		return err == nil
	})
	if id() == before {
		b.Fatal("a recreated topic kept its id")
	}
}

func unknownTopicIsAnError(b *bench) {
	topics, err := b.admin.ListTopics(b.ctx, b.name("missing"))
	b.must(err)
	for _, d := range topics {
		b.refused(d.Err, kerr.UnknownTopicOrPartition)
	}
	offsets, err := b.admin.ListEndOffsets(b.ctx, b.name("missing"))
	b.must(err)
	b.refused(offsets.Error(), kerr.UnknownTopicOrPartition)
}
