package kafka

import (
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

func groupCases() []contractCase {
	return []contractCase{
		{"group/a member gets every partition", memberGetsEveryPartition},
		{"group/a new member resumes at the commit", newMemberResumes},
		{"group/two members share the partitions", twoMembersShare},
		{"group/a live group is described and cannot be deleted", liveGroup},
		{"group/commits can be read and set from outside", commitsFromOutside},
		{"group/a group that never was has no offsets", unknownGroup},
		{"group/a KIP-848 member resumes at the commit", nextGenerationResumes},
	}
}

func (b *bench) member(group, topic string, opts ...kgo.Opt) *kgo.Client {
	b.Helper()
	return b.connect(append([]kgo.Opt{kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(start()), kgo.HeartbeatInterval(200 * time.Millisecond)}, opts...)...)
}

// poll returns the next n records of a member.
func (b *bench) poll(member *kgo.Client, n int) []*kgo.Record {
	b.Helper()
	var got []*kgo.Record
	for len(got) < n {
		fetches := member.PollRecords(b.ctx, n-len(got))
		b.must(fetches.Err())
		got = append(got, fetches.Records()...)
	}
	return got
}

func memberGetsEveryPartition(b *bench) {
	topic, group := b.topic(3), b.name("group")
	for p := range int32(3) {
		b.produce(&kgo.Record{Topic: topic, Partition: p, Value: []byte("x")})
	}
	seen := make(map[int32]bool)
	for _, r := range b.poll(b.member(group, topic), 3) {
		seen[r.Partition] = true
	}
	equal(b, "partitions", len(seen), 3)
}

func newMemberResumes(b *bench)      { b.resumes() }
func nextGenerationResumes(b *bench) { b.resumes(kgo.ServerSideBalancer()) }

func (b *bench) resumes(opts ...kgo.Opt) {
	topic, group := b.topic(1), b.name("group")
	b.produce(values(topic, "a", "b", "c")...)
	first := b.member(group, topic, opts...)
	b.must(first.CommitRecords(b.ctx, b.poll(first, 2)...))
	first.Close()
	equal(b, "after the commit", texts(b.poll(b.member(group, topic, opts...), 1)), "[c]")
}

func twoMembersShare(b *bench) {
	topic, group := b.topic(2), b.name("group")
	one, two := b.member(group, topic), b.member(group, topic)
	b.eventually("both members own one partition", func() bool {
		groups, err := b.admin.DescribeGroups(b.ctx, group)
		b.must(err)
		owners := 0
		for _, m := range groups[group].Members {
			assigned, ok := m.Assigned.AsConsumer()
			if ok && len(assigned.Topics) == 1 && len(assigned.Topics[0].Partitions) == 1 {
				owners++
			}
		}
		return owners == 2
	})
	for p := range int32(2) {
		b.produce(&kgo.Record{Topic: topic, Partition: p, Value: []byte("x")})
	}
	if b.poll(one, 1)[0].Partition == b.poll(two, 1)[0].Partition {
		b.Fatal("both members got the same partition")
	}
}

func liveGroup(b *bench) {
	topic, group := b.topic(1), b.name("group")
	b.produce(values(topic, "a")...)
	member := b.member(group, topic, kgo.ClientID("contract"))
	b.must(member.CommitRecords(b.ctx, b.poll(member, 1)...))
	groups, err := b.admin.DescribeGroups(b.ctx, group)
	b.must(err)
	equal(b, "state", groups[group].State, "Stable")
	equal(b, "client", groups[group].Members[0].ClientID, "contract")
	_, err = b.admin.DeleteGroup(b.ctx, group)
	b.refused(err, kerr.NonEmptyGroup)
	member.Close()
	b.eventually("the group is empty and can be deleted", func() bool {
		_, err = b.admin.DeleteGroup(b.ctx, group)
		return err == nil
	})
}

func commitsFromOutside(b *bench) {
	topic, group := b.topic(1), b.name("group")
	b.produce(values(topic, "a", "b")...)
	offsets := kadm.Offsets{topic: {0: {Topic: topic, At: 1, LeaderEpoch: -1, Metadata: "by hand"}}}
	b.must(b.admin.CommitAllOffsets(b.ctx, group, offsets))
	committed, err := b.admin.FetchOffsets(b.ctx, group)
	b.must(err)
	equal(b, "offset", committed[topic][0].At, 1)
	equal(b, "metadata", committed[topic][0].Metadata, "by hand")
	equal(b, "next record", texts(b.poll(b.member(group, topic), 1)), "[b]")
}

func unknownGroup(b *bench) {
	topic := b.topic(1)
	committed, err := b.admin.FetchOffsetsForTopics(b.ctx, b.name("group"), topic)
	b.must(err)
	offset, ok := committed.Lookup(topic, 0)
	equal(b, "answered", ok, true)
	equal(b, "offset", offset.At, -1)
}
