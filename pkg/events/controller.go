package events

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// ErrNoController is returned for a change while the cluster has no controller,
// as when one is elected. It is known within seconds, and may be over in a
// moment.
var ErrNoController = errors.New("the cluster has no controller at the moment")

// quorumPatience is how long the controllers of a cluster may take to say which
// of them leads. When none does, brokers keep the question for half a minute.
const quorumPatience = 3 * time.Second

// administer is Admin for what only a controller can do.
func (c *Client) administer(ctx context.Context, what string) (*kadm.Client, error) {
	admin, err := c.Admin(ctx)
	if err != nil {
		return nil, err
	}
	metadata, err := admin.BrokerMetadata(ctx)
	if err != nil {
		return nil, refused(what, err)
	}
	if c.controller(ctx, metadata.Controller) < 0 {
		return nil, fmt.Errorf("%s: %w", what, firstOf(context.Cause(ctx), ErrNoController))
	}
	return admin, nil
}

// controller returns the id of the active controller, -1 for none. Under KRaft
// brokers tell any of them in the place of it, so that the quorum is asked;
// where that cannot be, what was told counts.
func (c *Client) controller(ctx context.Context, told int32) int32 {
	ctx, cancel := context.WithTimeout(ctx, quorumPatience)
	defer cancel()
	partition := kmsg.NewDescribeQuorumRequestTopicPartition() // 0
	topic := kmsg.NewDescribeQuorumRequestTopic()
	topic.Topic, topic.Partitions = "__cluster_metadata", append(topic.Partitions, partition)
	req := kmsg.NewPtrDescribeQuorumRequest()
	req.Topics = append(req.Topics, topic)
	answer, err := req.RequestWith(ctx, c.kafka)
	switch {
	case ctx.Err() != nil:
		return -1
	case err != nil || answer.ErrorCode != 0 || len(answer.Topics) != 1 || len(answer.Topics[0].Partitions) != 1:
		return told
	}
	quorum := answer.Topics[0].Partitions[0]
	if kerr.ErrorForCode(quorum.ErrorCode) != nil {
		return told
	}
	return quorum.LeaderID
}
