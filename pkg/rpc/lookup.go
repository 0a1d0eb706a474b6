package rpc

import (
	"context"
	"fmt"
	"sync"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// Where the definition of a called method comes from.
const (
	FromFiles  = "files"
	FromCache  = "cache"
	FromServer = "server"
)

// definition is that of a method.
type definition struct {
	protoreflect.MethodDescriptor

	types  typeResolver
	origin string
}

// lookup finds the definition of a call's method: in files when they are given,
// else in the cache, else the server is asked. A call that shows what the cache
// has to be out of date asks for it anew.
type lookup struct {
	channel *Channel
	ctx     context.Context //nolint:containedctx // of the call
	name    string
	files   *Descriptors // nil when none are given
	server  *Descriptors
	kept    *kept // nil unless its definition is used

	once  sync.Once
	fresh definition
	err   error
}

// first returns the definition to begin with.
func (l *lookup) first(useCache bool) (definition, error) {
	if l.files != nil {
		m, err := l.files.Method(l.name)
		return definition{m, typeResolver{l.files}, FromFiles}, err
	}
	if dir := l.channel.config.DescriptorCache; useCache && dir != "" {
		if k, err := readKept(callFile(dir, l.name)); err == nil {
			if m, err := k.method(); err == nil {
				l.kept = k
				return definition{m, typeResolver{k.descriptors(), l.server}, FromCache}, nil
			}
		}
	}
	return l.anew()
}

// confirmed is first for many calls, which are not to be made by a definition that
// may hold no longer.
func (l *lookup) confirmed(useCache bool) (definition, error) {
	found, err := l.first(useCache)
	if err != nil || found.origin != FromCache || time.Since(l.kept.time) < keptFresh {
		return found, err
	}
	ctx, cancel := context.WithCancel(l.ctx)
	defer cancel()
	inTime := l.channel.timer(cancel)
	defer inTime()
	if l.kept.revalidate(ctx, l.server) {
		return found, nil
	}
	return l.anew()
}

// anew asks the server, once, and keeps the answer in the cache.
func (l *lookup) anew() (definition, error) {
	l.once.Do(func() {
		m, err := l.server.Method(l.name)
		if err != nil {
			l.err = err
			return
		}
		l.fresh = definition{m, typeResolver{l.server}, FromServer}
		l.server.keepMethod(l.name, m)
	})
	return l.fresh, l.err
}

// elsewhere asks another instance than the one that was asked first, either a
// certain one or any other.
func (l *lookup) elsewhere(instance string) (def definition, from string, err error) {
	d := l.channel.Reflect(l.ctx)
	d.only = instance
	if instance == "" {
		d.avoid = l.server.instance
	}
	defer d.Close()
	m, err := d.Method(l.name)
	return definition{m, typeResolver{l.server}, FromServer}, d.instance, err
}

// revalidate asks the server whether the definition from the cache still holds,
// while the call runs. The function that it returns waits for the answer no
// longer than the call took, and at most revalidateGrace; for one that is overdue
// up to overdueGrace, so that no definition is used unconfirmed for good.
func (l *lookup) revalidate() (wait func()) {
	if l.kept == nil || time.Since(l.kept.time) < keptFresh {
		return func() {}
	}
	ctx, cancel := context.WithCancel(l.ctx)
	start, done := time.Now(), make(chan struct{})
	go func() {
		defer close(done)
		l.kept.revalidate(ctx, l.server)
	}()
	return func() {
		grace := min(time.Since(start), revalidateGrace)
		if time.Since(l.kept.time) > keptOverdue {
			grace = overdueGrace
		}
		timer := time.AfterFunc(grace, cancel)
		<-done
		timer.Stop()
		cancel()
	}
}

const (
	revalidateGrace = 20 * time.Millisecond
	overdueGrace    = 500 * time.Millisecond
)

// age says how old the definition is that is used.
func (l *lookup) age(origin string) float64 {
	if origin != FromCache {
		return 0
	}
	return time.Since(l.kept.time).Round(time.Second).Seconds()
}

// hasUnknown reports whether a message, or one inside of it, has fields that its
// definition does not know.
func hasUnknown(m protoreflect.Message) bool {
	if len(m.GetUnknown()) > 0 {
		return true
	}
	unknown := false
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case field.IsMap():
			if field.MapValue().Message() != nil {
				value.Map().Range(func(_ protoreflect.MapKey, value protoreflect.Value) bool {
					unknown = hasUnknown(value.Message())
					return !unknown
				})
			}
		case field.Message() == nil:
		case field.IsList():
			for i := 0; i < value.List().Len() && !unknown; i++ {
				unknown = hasUnknown(value.List().Get(i).Message())
			}
		default:
			unknown = hasUnknown(value.Message())
		}
		return !unknown
	})
	return unknown
}

// note says that instances describe a method in different ways.
func (l *lookup) note(instance string) string {
	return fmt.Sprintf("%s describes %s otherwise than %s, which was asked first; its own description is used", instance, l.name, l.server.instance)
}
