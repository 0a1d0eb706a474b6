package events

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// fillDefaults asks a broker for the defaults that Kafka does not tell with a
// topic's own configuration: those that the broker has in several units, of which
// it drops all when the finest is not set. A broker that may not be asked leaves
// them empty.
func (c *Client) fillDefaults(ctx context.Context, configs []TopicConfig) error {
	lacks := func(t TopicConfig) bool { return t.Own && t.Default == "" && len(brokerNames(t.Name)) > 0 }
	if !slices.ContainsFunc(configs, lacks) {
		return nil
	}
	metadata, err := c.admin.BrokerMetadata(ctx)
	if err != nil || len(metadata.Brokers) == 0 {
		return err
	}
	described, err := c.admin.DescribeBrokerConfigs(ctx, metadata.Brokers[0].NodeID)
	if err != nil || len(described) == 0 {
		return nil //nolint:nilerr // the default is not known then
	}
	for i := range configs {
		if lacks(configs[i]) {
			configs[i].Default = brokerDefault(brokerNames(configs[i].Name), described[0].Configs)
		}
	}
	return nil
}

// brokerNames are the broker's names of a topic's configuration, the first that
// has a value counts.
func brokerNames(topicConfig string) []string {
	switch topicConfig {
	case "retention.ms":
		return []string{"log.retention.ms", "log.retention.minutes", "log.retention.hours"}
	case "segment.ms":
		return []string{"log.roll.ms", "log.roll.hours"}
	case "segment.jitter.ms":
		return []string{"log.roll.jitter.ms", "log.roll.jitter.hours"}
	case "flush.ms":
		return []string{"log.flush.interval.ms", "log.flush.scheduler.interval.ms"}
	}
	return nil
}

func brokerDefault(names []string, configs []kadm.Config) string {
	for _, name := range names {
		for _, config := range configs {
			if config.Key == name && config.MaybeValue() != "" {
				return inMilliseconds(name, config.MaybeValue())
			}
		}
	}
	return ""
}

func inMilliseconds(name, value string) string {
	unit := int64(1)
	switch {
	case strings.HasSuffix(name, ".hours"):
		unit = time.Hour.Milliseconds()
	case strings.HasSuffix(name, ".minutes"):
		unit = time.Minute.Milliseconds()
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n < 0 {
		return value
	}
	return strconv.FormatInt(n*unit, 10)
}
