package mesh

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
)

var (
	virtualServices  = schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1", Resource: "virtualservices"}
	destinationRules = schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1", Resource: "destinationrules"}
)

// retryPause is the wait before the API is asked again after it has failed.
const retryPause = 500 * time.Millisecond

// source reads the routing from a Kubernetes API.
type source struct{ cluster dynamic.Interface }

// versions are the resourceVersions of what was read, to watch from.
type versions struct{ services, rules string }

func (s *source) read(ctx context.Context) (*routing, versions, error) {
	services, err := s.cluster.Resource(virtualServices).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, versions{}, fmt.Errorf("list VirtualServices: %w", err)
	}
	rules, err := s.cluster.Resource(destinationRules).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, versions{}, fmt.Errorf("list DestinationRules: %w", err)
	}
	return newRouting(services.Items, rules.Items), versions{services.GetResourceVersion(), rules.GetResourceVersion()}, nil
}

// follow hands over the routing after every change until ctx ends. While the API fails the last routing stays, as in a mesh.
func (s *source) follow(ctx context.Context, from versions, apply func(*routing)) {
	for ctx.Err() == nil {
		err := s.awaitChange(ctx, from)
		var now *routing
		if err == nil {
			now, from, err = s.read(ctx)
		}
		if err == nil {
			apply(now)
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(retryPause):
			from = versions{} // what happened meanwhile is found by reading everything
		}
	}
}

func (s *source) awaitChange(ctx context.Context, from versions) error {
	if from == (versions{}) {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	services, err := s.watch(ctx, virtualServices, from.services)
	if err != nil {
		return err
	}
	defer services.Stop()
	rules, err := s.watch(ctx, destinationRules, from.rules)
	if err != nil {
		return err
	}
	defer rules.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-services.ResultChan():
	case <-rules.ResultChan():
	}
	return nil
}

func (s *source) watch(ctx context.Context, r schema.GroupVersionResource, from string) (watch.Interface, error) {
	return s.cluster.Resource(r).Watch(ctx, metav1.ListOptions{ResourceVersion: from})
}
