package lab

import (
	_ "embed"
	"time"

	"github.com/suokelife/suokectl/internal/lab/kafka"
	"github.com/suokelife/suokectl/pkg/spec"
)

// The names of the demo world. Examples and tests rely on them.
const (
	env             = "dev"
	userRegistered  = "dev.auth-service.user-registered.v1"
	vitalSigns      = "dev.health-service.vital-signs-recorded.v1"
	clientNamespace = "shop"
	meshNamespace   = "default"
	callerName      = "suokectl"
	partitions      = 3
)

// checkInterval is how often an instance's health is checked: often enough
// that the lab is ready at once and that a change is seen while one looks.
const checkInterval = 200 * time.Millisecond

//go:embed user-registered.schema.json
var userRegisteredSchema string

//go:embed mesh.yaml
var meshManifests string

// instance is one instance of a demo service.
type instance struct {
	service, version string
	tags             []string
	// flaky answers every other Login with UNAVAILABLE.
	flaky bool
	// dead is registered, and nothing listens there.
	dead bool
}

func instances() []instance {
	return []instance{
		{service: "auth-service", version: "v1", tags: []string{"prod", "auth", "flaky"}, flaky: true},
		{service: "auth-service", version: "v1", tags: []string{"prod", "auth"}},
		{service: "auth-service", version: "v1", tags: []string{"prod", "auth"}, dead: true},
		{service: "auth-service", version: "v2", tags: []string{"canary", "auth"}},
		{service: "user-service", version: "v1", tags: []string{"prod"}},
		{service: "health-service", version: "v1", tags: []string{"prod"}},
	}
}

func topics(c spec.Conventions) []kafka.Topic {
	return []kafka.Topic{
		{Name: userRegistered, Partitions: partitions},
		{Name: c.DLQTopic(userRegistered), Partitions: partitions},
		{Name: vitalSigns, Partitions: partitions},
	}
}
