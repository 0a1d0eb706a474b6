package lab

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	events "github.com/suokelife/suokectl/pkg/events/schema"
)

// registerSchema puts the schema of the demo's events into the registry.
func (l *Lab) registerSchema(ctx context.Context) error {
	r, err := events.New(events.Config{URL: l.context.Registry.URL, Conventions: l.spec})
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	_, err = r.Register(ctx, userRegistered+"-value", events.JSON, userRegisteredSchema)
	return err
}

// applyManifests creates the mesh's routes as the specification writes them.
func (l *Lab) applyManifests(ctx context.Context) error {
	client, err := dynamic.NewForConfig(l.kube)
	if err != nil {
		return err
	}
	for _, document := range strings.Split(meshManifests, "\n---\n") {
		if err := apply(ctx, client, []byte(document)); err != nil {
			return err
		}
	}
	return nil
}

func apply(ctx context.Context, client dynamic.Interface, document []byte) error {
	asJSON, err := yaml.YAMLToJSON(document)
	if err != nil {
		return fmt.Errorf("the mesh's manifests: %w", err)
	}
	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON(bytes.TrimSpace(asJSON)); err != nil {
		return fmt.Errorf("the mesh's manifests: %w", err)
	}
	kind := object.GroupVersionKind()
	resource := schema.GroupVersionResource{
		Group: kind.Group, Version: kind.Version, Resource: strings.ToLower(kind.Kind) + "s",
	}
	_, err = client.Resource(resource).Namespace(object.GetNamespace()).Create(ctx, object, metav1.CreateOptions{})
	return err
}
