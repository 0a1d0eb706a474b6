package chaos

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"
)

// DefaultDomain is the DNS domain of a cluster unless its administrator chose another.
const DefaultDomain = "cluster.local"

// ErrInvalidFault is wrapped by every error of [Fault.Validate].
var ErrInvalidFault = errors.New("invalid fault")

// A Fault is what shall go wrong in calls to one service.
type Fault struct {
	// Service that answers wrongly: the name of a Kubernetes Service, without its namespace.
	Service string
	// Namespace of the service. Default "default".
	Namespace string
	// ClientNamespaces are where the calls come from that feel the fault. Default: Namespace alone.
	ClientNamespaces []string
	// Delay before a call is passed on, at least 1 ms; 0 for none.
	Delay time.Duration
	// DelayPercent of the calls are delayed: above 0, at most 100, in steps of 0.0001.
	DelayPercent float64
	// AbortHTTP is the HTTP status of aborted calls, 200 to 599; 0 for none.
	AbortHTTP int
	// AbortGRPC is the name of the gRPC status of aborted calls, such as UNAVAILABLE; "" for none.
	AbortGRPC string
	// AbortPercent of the calls are aborted, independently of the delay.
	AbortPercent float64
	// TTL after which the cluster takes the fault back: whole seconds, at least one.
	TTL time.Duration
}

// grpcStatuses are the names that a fault can abort with; OK is none.
var grpcStatuses = []string{
	"CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
	"RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE",
	"DATA_LOSS", "UNAUTHENTICATED",
}

// GRPCStatuses returns the names of the gRPC statuses that a fault can abort calls with.
func GRPCStatuses() []string { return append([]string(nil), grpcStatuses...) }

// ParseAbort sets AbortHTTP or AbortGRPC from "500" or "UNAVAILABLE", whose case does not matter.
// The error wraps [ErrInvalidFault].
func (f *Fault) ParseAbort(text string) error {
	f.AbortHTTP, f.AbortGRPC = 0, ""
	if status, err := strconv.Atoi(text); err == nil {
		f.AbortHTTP = status
		return validHTTP(status)
	}
	f.AbortGRPC = strings.ToUpper(text)
	return validGRPC(f.AbortGRPC)
}

// WithDefaults returns the fault with its empty namespaces filled in.
func (f Fault) WithDefaults() Fault {
	if f.Namespace == "" {
		f.Namespace = "default"
	}
	if len(f.ClientNamespaces) == 0 {
		f.ClientNamespaces = []string{f.Namespace}
	}
	return f
}

// Validate returns everything that is wrong with a fault, joined; each error wraps [ErrInvalidFault].
func (f Fault) Validate() error {
	f = f.WithDefaults()
	errs := []error{validName("service", f.Service), validName("namespace", f.Namespace)}
	seen := map[string]bool{}
	for _, ns := range f.ClientNamespaces {
		errs = append(errs, validName("client namespace", ns))
		if seen[ns] {
			errs = append(errs, invalid("client namespace %s is named twice", ns))
		}
		seen[ns] = true
	}
	errs = append(errs, f.validDelay(), f.validAbort())
	if f.Delay == 0 && f.AbortHTTP == 0 && f.AbortGRPC == "" {
		errs = append(errs, invalid("it does nothing: give a delay or an abort"))
	}
	if f.TTL < time.Second || f.TTL%time.Second != 0 {
		errs = append(errs, invalid("ttl %v: want whole seconds, at least one", f.TTL))
	}
	return errors.Join(errs...)
}

func (f Fault) validDelay() error {
	switch {
	case f.Delay == 0 && f.DelayPercent != 0:
		return invalid("a delay percentage without a delay")
	case f.Delay == 0:
		return nil
	case f.Delay < time.Millisecond:
		return invalid("delay %v: the least is 1ms", f.Delay)
	}
	return validPercent("delay", f.DelayPercent)
}

func (f Fault) validAbort() error {
	switch {
	case f.AbortHTTP == 0 && f.AbortGRPC == "":
		if f.AbortPercent != 0 {
			return invalid("an abort percentage without an abort status")
		}
		return nil
	case f.AbortHTTP != 0 && f.AbortGRPC != "":
		return invalid("abort with HTTP %d or with %s, not both", f.AbortHTTP, f.AbortGRPC)
	case f.AbortHTTP != 0:
		if err := validHTTP(f.AbortHTTP); err != nil {
			return err
		}
	default:
		if err := validGRPC(f.AbortGRPC); err != nil {
			return err
		}
	}
	return validPercent("abort", f.AbortPercent)
}

func validHTTP(status int) error {
	if status < 200 || status > 599 {
		return invalid("abort status %d: want 200 to 599", status)
	}
	return nil
}

func validGRPC(name string) error {
	for _, known := range grpcStatuses {
		if name == known {
			return nil
		}
	}
	return invalid("abort status %q: want an HTTP status or one of %s", name, strings.Join(grpcStatuses, ", "))
}

// validPercent holds Envoy's resolution of one in a million.
func validPercent(what string, percent float64) error {
	if percent >= 0.0001 && percent <= 100 {
		return nil
	}
	return invalid("%s percentage %v: want 0.0001 to 100", what, percent)
}

func validName(what, name string) error {
	if problems := validation.IsDNS1123Label(name); len(problems) > 0 {
		return invalid("%s %q: %s", what, name, problems[0])
	}
	return nil
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalidFault, fmt.Sprintf(format, args...))
}

// String describes the fault's effect, for example "delay 5s 10%, abort UNAVAILABLE 5%".
func (f Fault) String() string {
	var parts []string
	if f.Delay > 0 {
		parts = append(parts, fmt.Sprintf("delay %v %v%%", f.Delay, f.DelayPercent))
	}
	if f.AbortHTTP != 0 {
		parts = append(parts, fmt.Sprintf("abort %d %v%%", f.AbortHTTP, f.AbortPercent))
	}
	if f.AbortGRPC != "" {
		parts = append(parts, fmt.Sprintf("abort %s %v%%", f.AbortGRPC, f.AbortPercent))
	}
	return strings.Join(parts, ", ")
}

// spec is the fault as a VirtualService's route has it.
func (f Fault) spec() map[string]any {
	spec := map[string]any{}
	if f.Delay > 0 {
		spec["delay"] = map[string]any{"percentage": map[string]any{"value": f.DelayPercent}, "fixedDelay": seconds(f.Delay)}
	}
	if f.AbortHTTP != 0 {
		spec["abort"] = map[string]any{"percentage": map[string]any{"value": f.AbortPercent}, "httpStatus": int64(f.AbortHTTP)}
	}
	if f.AbortGRPC != "" {
		spec["abort"] = map[string]any{"percentage": map[string]any{"value": f.AbortPercent}, "grpcStatus": f.AbortGRPC}
	}
	return spec
}

// seconds writes a duration as protobuf's JSON has it.
func seconds(d time.Duration) string {
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + "s"
}
