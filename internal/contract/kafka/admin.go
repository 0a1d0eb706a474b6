package kafka

import (
	"crypto/rand"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func adminCases() []contractCase {
	return []contractCase{
		{"admin/the cluster tells its id, controller and features", clusterIsTold},
		{"admin/offsets are found by time", offsetsByTime},
		{"admin/the newest timestamp is told", newestTimestamp},
		{"admin/groups are listed with type and state", groupsAreListed},
		{"admin/an unknown group is not described and not deleted", unknownGroupIsTold},
		{"admin/a commit from outside is refused while members are live", outsideCommitIsRefused},
		{"admin/a KIP-848 group is described with its topics", nextGroupIsDescribed},
		{"admin/an empty KIP-848 group is reset and deleted", emptyNextGroup},
		{"admin/a deleted topic takes its commits along", deletedTopicTakesCommits},
		{"admin/deleted records leave commits before the start", commitsBeforeTheStart},
		{"admin/a config is altered, checked and taken back", configIsAltered},
		{"admin/bad configs are refused in an alteration", badAlterationsAreRefused},
		{"admin/added partitions are checked ahead", addedPartitionsAreChecked},
		{"admin/log dirs tell sizes", logDirsTellSizes},
	}
}

func clusterIsTold(b *bench) {
	metadata, err := b.admin.BrokerMetadata(b.ctx)
	b.must(err)
	equal(b, "has an id", metadata.Cluster != "", true)
	equal(b, "the controller is a broker", slices.Contains(metadata.Brokers.NodeIDs(), metadata.Controller), true)
	versions, err := b.admin.ApiVersions(b.ctx)
	b.must(err)
	for _, v := range versions {
		b.must(v.Err)
		raw := v.Raw()
		finalized := slices.ContainsFunc(raw.FinalizedFeatures, func(f kmsg.ApiVersionsResponseFinalizedFeature) bool {
			return f.Name == "metadata.version" && f.MaxVersionLevel > 0
		})
		equal(b, "metadata.version is finalized", finalized, true)
		_, _, fetches := v.KeyVersions(int16(kmsg.Fetch))
		equal(b, "answers Fetch", fetches, true)
	}
}

// stamped writes records at 1, 2 and 3 s.
func (b *bench) stamped() string {
	topic := b.topic(1)
	for i := range 3 {
		b.produce(&kgo.Record{Topic: topic, Value: []byte("x"), Timestamp: time.UnixMilli(int64(1000 * (i + 1)))})
	}
	return topic
}

func offsetsByTime(b *bench) {
	topic := b.stamped()
	for millis, want := range map[int64]int64{0: 0, 1000: 0, 1001: 1, 3000: 2, 3001: 3} { // after the last: kadm asks for the end
		listed, err := b.admin.ListOffsetsAfterMilli(b.ctx, millis, topic)
		b.must(err)
		equal(b, "offset", listed[topic][0].Offset, want)
	}
}

func newestTimestamp(b *bench) {
	topic := b.stamped()
	listed, err := b.admin.ListMaxTimestampOffsets(b.ctx, topic)
	b.must(err)
	equal(b, "timestamp", listed[topic][0].Timestamp, 3000)
	empty := b.topic(1)
	listed, err = b.admin.ListMaxTimestampOffsets(b.ctx, empty)
	b.must(err)
	equal(b, "timestamp of an empty partition", listed[empty][0].Timestamp, -1)
}

// listedGroup is what the list of groups says of one.
func (b *bench) listedGroup(name string) (found kmsg.ListGroupsResponseGroup) {
	b.Helper()
	for _, shard := range b.client.RequestSharded(b.ctx, kmsg.NewPtrListGroupsRequest()) {
		b.must(shard.Err)
		for _, g := range shard.Resp.(*kmsg.ListGroupsResponse).Groups {
			if g.Group == name {
				found = g
			}
		}
	}
	return found
}

func groupsAreListed(b *bench) {
	topic := b.topic(1)
	b.produce(values(topic, "a")...)
	for kind, opts := range map[string][]kgo.Opt{"classic": nil, "consumer": {kgo.ServerSideBalancer()}} {
		group := b.name("group")
		member := b.member(group, topic, opts...)
		b.must(member.CommitRecords(b.ctx, b.poll(member, 1)...))
		b.eventually("the group is stable", func() bool { return b.listedGroup(group).GroupState == "Stable" })
		equal(b, "type", b.listedGroup(group).GroupType, kind)
		member.Close()
		b.eventually("the group is empty", func() bool { return b.listedGroup(group).GroupState == "Empty" })
	}
}

func unknownGroupIsTold(b *bench) {
	name := b.name("group")
	described, err := b.admin.DescribeGroups(b.ctx, name)
	b.must(err)
	b.refused(described[name].Err, kerr.GroupIDNotFound)
	_, err = b.admin.DeleteGroup(b.ctx, name)
	b.refused(err, kerr.GroupIDNotFound)
}

func outsideCommitIsRefused(b *bench) {
	topic := b.topic(1)
	b.produce(values(topic, "a")...)
	for _, opts := range [][]kgo.Opt{nil, {kgo.ServerSideBalancer()}} {
		group := b.name("group")
		b.poll(b.member(group, topic, opts...), 1)
		offsets := make(kadm.Offsets)
		offsets.AddOffset(topic, 0, 1, -1)
		b.refused(b.admin.CommitAllOffsets(b.ctx, group, offsets), kerr.UnknownMemberID)
	}
}

func nextGroupIsDescribed(b *bench) {
	topic, group := b.topic(2), b.name("group")
	b.produce(values(topic, "a")...)
	b.poll(b.member(group, topic, kgo.ServerSideBalancer(), kgo.ClientID("contract")), 1)
	var described kadm.DescribedConsumerGroup
	b.eventually("the member has both partitions", func() bool {
		all, err := b.admin.DescribeConsumerGroups(b.ctx, group)
		b.must(err)
		b.must(all[group].Err)
		described = all[group]
		return len(described.Members) == 1 && len(described.Members[0].Assignment[topic]) == 2
	})
	equal(b, "state", described.State, "Stable")
	equal(b, "has an assignor", described.AssignorName != "", true)
	equal(b, "client", described.Members[0].ClientID, "contract")
	equal(b, "subscribed", slices.Equal(described.Members[0].SubscribedTopics, []string{topic}), true)
	classic, err := b.admin.DescribeGroups(b.ctx, group)
	b.must(err)
	b.refused(classic[group].Err, kerr.GroupIDNotFound)
}

func emptyNextGroup(b *bench) {
	topic, group := b.topic(1), b.name("group")
	b.produce(values(topic, "a", "b")...)
	member := b.member(group, topic, kgo.ServerSideBalancer())
	b.must(member.CommitRecords(b.ctx, b.poll(member, 2)...))
	_, err := b.admin.DeleteGroup(b.ctx, group)
	b.refused(err, kerr.NonEmptyGroup)
	member.Close()
	b.eventually("the group is empty", func() bool { return b.listedGroup(group).GroupState == "Empty" })
	offsets := make(kadm.Offsets)
	offsets.AddOffset(topic, 0, 1, -1)
	b.must(b.admin.CommitAllOffsets(b.ctx, group, offsets))
	committed, err := b.admin.FetchOffsets(b.ctx, group)
	b.must(err)
	equal(b, "offset", committed[topic][0].At, 1)
	_, err = b.admin.DeleteGroup(b.ctx, group)
	b.must(err)
}

func (b *bench) commit(group, topic string, at int64) {
	b.Helper()
	offsets := make(kadm.Offsets)
	offsets.AddOffset(topic, 0, at, -1)
	b.must(b.admin.CommitAllOffsets(b.ctx, group, offsets))
}

func deletedTopicTakesCommits(b *bench) {
	gone, kept, group := b.topic(1), b.topic(1), b.name("group")
	b.commit(group, gone, 0)
	b.commit(group, kept, 0)
	_, err := b.admin.DeleteTopic(b.ctx, gone)
	b.must(err)
	b.eventually("only the other topic's commit is left", func() bool {
		committed, err := b.admin.FetchOffsets(b.ctx, group)
		b.must(err)
		return slices.Equal(slices.Collect(maps.Keys(committed)), []string{kept})
	})
}

func commitsBeforeTheStart(b *bench) {
	topic, group := b.stamped(), b.name("group")
	b.commit(group, topic, 1)
	_, err := b.admin.DeleteRecords(b.ctx, kadm.Offsets{topic: {0: {Topic: topic, At: 2}}})
	b.must(err)
	committed, err := b.admin.FetchOffsets(b.ctx, group)
	b.must(err)
	equal(b, "committed", committed[topic][0].At, 1)
	starts, err := b.admin.ListStartOffsets(b.ctx, topic)
	b.must(err)
	equal(b, "start", starts[topic][0].Offset, 2)
	b.commit(group, topic, 99) // beyond the end: nobody minds
}

// config returns a configuration of a topic.
func (b *bench) config(topic, name string) kadm.Config {
	b.Helper()
	described, err := b.admin.DescribeTopicConfigs(b.ctx, topic)
	b.must(err)
	i := slices.IndexFunc(described[0].Configs, func(c kadm.Config) bool { return c.Key == name })
	if i < 0 {
		b.Fatalf("no configuration %s", name)
	}
	return described[0].Configs[i]
}

// Not so of retention.ms, of which Apache Kafka tells no default beside the
// topic's own value unless log.retention.ms is set: it must be asked of a broker.
func configIsAltered(b *bench) {
	topic, value := b.topic(1), "2000000"
	before := b.config(topic, "max.message.bytes")
	set := []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "max.message.bytes", Value: &value}}
	answers, err := b.admin.ValidateAlterTopicConfigs(b.ctx, set, topic)
	b.must(err)
	b.must(answers[0].Err)
	checked := b.config(topic, "max.message.bytes")
	equal(b, "after the check", checked.MaybeValue(), before.MaybeValue())
	answers, err = b.admin.AlterTopicConfigs(b.ctx, set, topic)
	b.must(err)
	b.must(answers[0].Err)
	b.eventually("the value is altered", func() bool { c := b.config(topic, "max.message.bytes"); return c.MaybeValue() == value })
	altered := b.config(topic, "max.message.bytes")
	equal(b, "source", altered.Source, kmsg.ConfigSourceDynamicTopicConfig)
	def := slices.IndexFunc(altered.Synonyms, func(s kadm.ConfigSynonym) bool { return s.Source != kmsg.ConfigSourceDynamicTopicConfig })
	equal(b, "a synonym tells the default", def >= 0 && *altered.Synonyms[def].Value == before.MaybeValue(), true)
	_, err = b.admin.AlterTopicConfigs(b.ctx, []kadm.AlterConfig{{Op: kadm.DeleteConfig, Name: "max.message.bytes"}}, topic)
	b.must(err)
	b.eventually("the default is back", func() bool {
		c := b.config(topic, "max.message.bytes")
		return c.MaybeValue() == before.MaybeValue() && c.Source != kmsg.ConfigSourceDynamicTopicConfig
	})
}

func badAlterationsAreRefused(b *bench) {
	topic := b.topic(1)
	for name, value := range map[string]string{"retention.minutes": "1", "retention.ms": "a day", "cleanup.policy": "burn"} {
		answers, err := b.admin.AlterTopicConfigs(b.ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: name, Value: &value}}, topic)
		b.must(err)
		b.refused(answers[0].Err, kerr.InvalidConfig)
	}
	value := "1"
	answers, err := b.admin.AlterTopicConfigs(b.ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.ms", Value: &value}}, b.name("no-topic"))
	b.must(err)
	b.refused(answers[0].Err, kerr.UnknownTopicOrPartition)
}

func addedPartitionsAreChecked(b *bench) {
	topic := b.topic(2)
	answers, err := b.admin.ValidateUpdatePartitions(b.ctx, 3, topic)
	b.must(err)
	b.must(answers[topic].Err)
	answers, err = b.admin.ValidateUpdatePartitions(b.ctx, 1, topic)
	b.must(err)
	b.refused(answers[topic].Err, kerr.InvalidPartitions)
	details, err := b.admin.ListTopics(b.ctx, topic)
	b.must(err)
	equal(b, "partitions", len(details[topic].Partitions), 2)
}

func logDirsTellSizes(b *bench) {
	topic := b.topic(2)
	noise := make([]byte, 10_000) // which nothing compresses
	_, _ = rand.Read(noise)
	b.produce(&kgo.Record{Topic: topic, Value: noise})
	wanted := kadm.TopicsSet{}
	wanted.Add(topic, 0, 1)
	dirs, err := b.admin.DescribeAllLogDirs(b.ctx, wanted)
	b.must(err)
	sizes := make(map[int32]int64)
	dirs.Each(func(dir kadm.DescribedLogDir) {
		b.must(dir.Err)
		for id, p := range dir.Topics[topic] {
			sizes[id] += p.Size
		}
	})
	equal(b, "partitions that are told", len(sizes), 2)
	equal(b, "the full one has its bytes", sizes[0] >= 10_000, true)
	equal(b, "the empty one has none", sizes[1], 0)
}
