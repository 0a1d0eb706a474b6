package kafka

import (
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// describeNextGroups makes the cluster describe KIP-848 groups as Apache Kafka
// does: with the names of their members' topics, where kfake gives ids alone, and
// not by the request that is for classic groups. What kfake answers with an error
// it still answers itself.
func describeNextGroups(cluster *kfake.Cluster) {
	next := make(map[string]bool) // groups that are of this type
	cluster.ControlKey(int16(kmsg.ConsumerGroupHeartbeat), func(req kmsg.Request) (kmsg.Response, error, bool) {
		next[req.(*kmsg.ConsumerGroupHeartbeatRequest).Group] = true
		return nil, nil, false
	})
	cluster.ControlKey(int16(kmsg.DescribeGroups), func(req kmsg.Request) (kmsg.Response, error, bool) {
		for _, name := range req.(*kmsg.DescribeGroupsRequest).Groups {
			if next[name] {
				cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.DescribeGroups}, Group: name, Err: kerr.GroupIDNotFound})
			}
		}
		return nil, nil, false
	})
	cluster.ControlKey(int16(kmsg.ConsumerGroupDescribe), func(req kmsg.Request) (kmsg.Response, error, bool) {
		describe := req.(*kmsg.ConsumerGroupDescribeRequest)
		resp := describe.ResponseKind().(*kmsg.ConsumerGroupDescribeResponse)
		for _, name := range describe.Groups {
			info := cluster.GroupInfo(name)
			if info == nil || !next[name] || cluster.CurrentNode() != cluster.CoordinatorFor(name) {
				return nil, nil, false
			}
			resp.Groups = append(resp.Groups, describedGroup(info))
		}
		cluster.KeepControl()
		return resp, nil, true
	})
}

func describedGroup(info *kfake.GroupInfo) kmsg.ConsumerGroupDescribeResponseGroup {
	group := kmsg.NewConsumerGroupDescribeResponseGroup()
	group.Group, group.State, group.AssignorName = info.Group, info.State, "uniform"
	group.Epoch, group.AssignmentEpoch = info.Epoch, info.Epoch
	for _, m := range info.Members {
		member := kmsg.NewConsumerGroupDescribeResponseGroupMember()
		member.MemberID, member.InstanceID, member.MemberEpoch = m.MemberID, m.InstanceID, info.Epoch
		member.ClientID, member.ClientHost, member.SubscribedTopics = m.ClientID, m.ClientHost, m.SubscribedTopics
		member.MemberType = 1
		for _, topic := range slices.Sorted(maps.Keys(m.Assignment)) {
			assigned := kmsg.NewAssignmentTopicPartition()
			assigned.Topic, assigned.Partitions = topic, m.Assignment[topic]
			member.Assignment.TopicPartitions = append(member.Assignment.TopicPartitions, assigned)
		}
		member.TargetAssignment = member.Assignment
		group.Members = append(group.Members, member)
	}
	return group
}
