package events

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Cluster is what is known of a Kafka cluster.
type Cluster struct {
	ID string `json:"id"`
	// Controller is the id of the active controller, which need not be a broker,
	// -1 when there is none.
	Controller int32 `json:"controller"`
	// Brokers are those in service, and those that hold replicas and are not.
	Brokers []Broker `json:"brokers"`
	// Topics and Partitions count all, with Kafka's own, that the client may see.
	Topics     int `json:"topics"`
	Partitions int `json:"partitions"`
	// UnderReplicated counts the partitions that lack a replica which is in sync,
	// Offline those that no broker leads.
	UnderReplicated int       `json:"under_replicated"`
	Offline         int       `json:"offline"`
	Features        []Feature `json:"features"`
	// APIs are the requests that every broker answers, in the versions that all
	// of them know.
	APIs []API `json:"apis"`
}

// Broker is a member of a cluster.
type Broker struct {
	ID int32 `json:"id"`
	// Host and Port are empty and 0 for one that is not in service.
	Host       string `json:"host"`
	Port       int32  `json:"port"`
	Rack       string `json:"rack,omitempty"`
	Controller bool   `json:"controller"`
	// Leads counts the partitions that it leads.
	Leads int `json:"leads"`
	// Version is guessed from the requests that it answers, such as "v4.3".
	Version string `json:"version,omitempty"`
	// Problem says why it did not answer.
	Problem string `json:"problem,omitempty"`
}

// Feature is one that the cluster has levels of, such as metadata.version.
type Feature struct {
	Name string `json:"name"`
	// Level is what the cluster has agreed on, 0 for off; Min and Max are what
	// the brokers could.
	Level int16 `json:"level"`
	Min   int16 `json:"min"`
	Max   int16 `json:"max"`
}

// API is a kind of request.
type API struct {
	Key  int16  `json:"key"`
	Name string `json:"name"`
	Min  int16  `json:"min"`
	Max  int16  `json:"max"`
}

// Cluster describes the cluster. A broker that does not answer is listed with
// its problem.
func (c *Client) Cluster(ctx context.Context) (Cluster, error) {
	admin, err := c.Admin(ctx)
	if err != nil {
		return Cluster{}, err
	}
	metadata, err := admin.Metadata(ctx)
	if err != nil {
		return Cluster{}, refused("describe the cluster", err)
	}
	versions, err := admin.ApiVersions(ctx)
	if err != nil {
		return Cluster{}, refused("describe the cluster", err)
	}
	metadata.Controller = c.controller(ctx, metadata.Controller)
	if ctx.Err() != nil {
		return Cluster{}, fmt.Errorf("describe the cluster: %w", context.Cause(ctx))
	}
	cluster := newCluster(metadata)
	for i := range cluster.Brokers {
		if v, ok := versions[cluster.Brokers[i].ID]; ok {
			cluster.Brokers[i].answered(v)
		}
	}
	cluster.Features, cluster.APIs = features(versions), commonAPIs(versions)
	return cluster, nil
}

func newCluster(m kadm.Metadata) Cluster {
	cluster := Cluster{ID: m.Cluster, Controller: m.Controller, Topics: len(m.Topics), Brokers: []Broker{}}
	leads, missing := make(map[int32]int), make(map[int32]bool)
	m.Topics.EachPartition(func(p kadm.PartitionDetail) {
		cluster.Partitions++
		leads[p.Leader]++
		if p.Leader < 0 {
			cluster.Offline++
		}
		if len(p.ISR) < len(p.Replicas) {
			cluster.UnderReplicated++
		}
		for _, id := range p.Replicas {
			missing[id] = true
		}
	})
	for _, b := range m.Brokers {
		delete(missing, b.NodeID)
		cluster.Brokers = append(cluster.Brokers, Broker{ID: b.NodeID, Host: b.Host, Port: b.Port, Rack: deref(b.Rack),
			Controller: b.NodeID == m.Controller, Leads: leads[b.NodeID]})
	}
	for id := range missing {
		cluster.Brokers = append(cluster.Brokers, Broker{ID: id, Controller: id == m.Controller, Problem: ErrNotInService.Error()})
	}
	slices.SortFunc(cluster.Brokers, func(a, b Broker) int { return cmp.Compare(a.ID, b.ID) })
	return cluster
}

func (b *Broker) answered(v kadm.BrokerApiVersions) {
	if v.Err != nil {
		b.Problem = shortReason(v.Err)
		return
	}
	if v.Raw() != nil {
		b.Version = v.VersionGuess()
	}
}

// features are the levels that the broker with the newest view tells.
func features(versions kadm.BrokersApiVersions) []Feature {
	byName := make(map[string]Feature)
	epoch := int64(-2)
	for _, v := range versions.Sorted() {
		if v.Err != nil || v.Raw() == nil || v.Raw().FinalizedFeaturesEpoch <= epoch {
			continue
		}
		epoch = v.Raw().FinalizedFeaturesEpoch
		clear(byName)
		for _, f := range v.Raw().SupportedFeatures {
			byName[f.Name] = Feature{Name: f.Name, Min: f.MinVersion, Max: f.MaxVersion}
		}
		for _, f := range v.Raw().FinalizedFeatures {
			feature := byName[f.Name]
			feature.Name, feature.Level = f.Name, f.MaxVersionLevel
			byName[f.Name] = feature
		}
	}
	list := slices.Collect(maps.Values(byName))
	slices.SortFunc(list, func(a, b Feature) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

func commonAPIs(versions kadm.BrokersApiVersions) []API {
	common := make(map[int16]API)
	count := make(map[int16]int)
	answered := 0
	for _, v := range versions {
		if v.Err != nil {
			continue
		}
		answered++
		v.EachKeySorted(func(key, low, high int16) {
			api, ok := common[key]
			if !ok {
				api = API{Key: key, Name: kmsg.NameForKey(key), Min: low, Max: high}
			}
			api.Min, api.Max = max(api.Min, low), min(api.Max, high)
			common[key] = api
			count[key]++
		})
	}
	maps.DeleteFunc(common, func(key int16, _ API) bool { return count[key] < answered })
	list := slices.Collect(maps.Values(common))
	slices.SortFunc(list, func(a, b API) int { return cmp.Compare(a.Key, b.Key) })
	return list
}
