package chaos

import (
	"fmt"
	"strings"
	"time"

	"github.com/suokelife/suokectl/internal/iostreams"
	"github.com/suokelife/suokectl/pkg/chaos"
)

// showPlan tells what is about to be written.
func showPlan(ios *iostreams.IOStreams, plan *chaos.Plan) {
	f := plan.Fault
	ios.Infof("plan: %s in calls from %s to %s for %v", f, strings.Join(f.ClientNamespaces, ", "), plan.Host, f.TTL)
	for _, s := range plan.Shadows {
		ios.Infof("  + Job %s/%s, which ends the fault", s.Namespace, plan.Name)
		ios.Infof("  + VirtualService %s/%s, private, %s", s.Namespace, plan.Name, origin(s))
	}
	warn(ios, plan)
}

func origin(s *chaos.Shadow) string {
	if s.Source == nil {
		return "the default route with the fault"
	}
	return fmt.Sprintf("the routes of %s/%s with the fault", s.Source.GetNamespace(), s.Source.GetName())
}

func warn(ios *iostreams.IOStreams, plan *chaos.Plan) {
	for _, w := range plan.Warnings {
		ios.Infof("warning: %s", w)
	}
}

// left is the time until a lease ends, for people.
func left(l chaos.Lease) string {
	if l.Expires.IsZero() {
		return "-"
	}
	return (time.Duration(l.SecondsLeft) * time.Second).String()
}

func clock(at time.Time) string {
	if at.IsZero() {
		return "-"
	}
	return at.Format(time.RFC3339)
}
