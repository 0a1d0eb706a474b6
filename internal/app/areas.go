package app

import (
	"github.com/suokelife/suokectl/pkg/discover"
	"github.com/suokelife/suokectl/pkg/events"
	"github.com/suokelife/suokectl/pkg/events/schema"
)

// areas holds the clients of each area, made once. A field's maker is in the
// file of its area.
type areas struct {
	// Scope is --datacenter, --namespace and --partition.
	Scope ConsulScope

	kube     once[*Cluster]
	events   once[*events.Client]
	schemas  once[*schema.Registry]
	discover once[*discover.Client]
}
