package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// Secured is a broker that wants TLS and SASL, and has ACLs.
type Secured struct {
	Brokers []string
	TLS     *tls.Config
	// Admin may do everything; its password is for PLAIN.
	Admin, AdminPassword string
	// User may do nothing; its password is for PLAIN and both kinds of SCRAM.
	User, UserPassword string
}

// RunSecured runs the cases that a broker for everybody has not.
func RunSecured(t *testing.T, s Secured) {
	t.Helper()
	for _, c := range []struct {
		name string
		run  func(s Secured, b *bench)
	}{
		{"secured/PLAIN and SCRAM are taken", mechanismsAreTaken},
		{"secured/a topic that is denied is not listed, and an error by name", topicIsDenied},
		{"secured/a group that is denied is not listed, and an error by name", groupIsDenied},
		{"secured/configurations and sizes are denied apart", configsAreDenied},
		{"secured/creation and deletion are denied", changesAreDenied},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			b := &bench{T: t, ctx: ctx, brokers: s.Brokers, access: s.by(plain.Auth{User: s.Admin, Pass: s.AdminPassword}.AsMechanism())}
			b.client = b.connect()
			b.admin = kadm.NewClient(b.client)
			c.run(s, b)
		})
	}
}

func (s Secured) by(m sasl.Mechanism) []kgo.Opt {
	return []kgo.Opt{kgo.DialTLSConfig(s.TLS.Clone()), kgo.SASL(m)}
}

// user is a client of the user's.
func (s Secured) user(b *bench) *kadm.Client {
	b.Helper()
	return s.client(b, plain.Auth{User: s.User, Pass: s.UserPassword}.AsMechanism())
}

// client is one that authenticates in its own way.
func (s Secured) client(b *bench, m sasl.Mechanism) *kadm.Client {
	b.Helper()
	other := *b
	other.access = s.by(m)
	return kadm.NewClient(other.connect())
}

// allow lets the user do something, and waits until it can.
func (s Secured) allow(b *bench, acl *kadm.ACLBuilder, done func() bool) {
	b.Helper()
	acl = acl.Allow("User:" + s.User).AllowHosts().ResourcePatternType(kadm.ACLPatternLiteral)
	results, err := b.admin.CreateACLs(b.ctx, acl)
	b.must(err)
	for _, r := range results {
		b.must(r.Err)
	}
	b.eventually("the ACL is heeded", done)
}

func mechanismsAreTaken(s Secured, b *bench) {
	user := scram.Auth{User: s.User, Pass: s.UserPassword}
	for _, m := range []sasl.Mechanism{plain.Auth{User: s.User, Pass: s.UserPassword}.AsMechanism(), user.AsSha256Mechanism(), user.AsSha512Mechanism()} {
		_, err := s.client(b, m).BrokerMetadata(b.ctx)
		b.must(err)
	}
}

func topicIsDenied(s Secured, b *bench) {
	hidden, open := b.topic(1), b.topic(1)
	user := s.user(b)
	s.allow(b, kadm.NewACLs().Topics(open).Operations(kadm.OpRead), func() bool {
		listed, err := user.ListTopics(b.ctx)
		b.must(err)
		return listed.Has(open)
	})
	listed, err := user.ListTopics(b.ctx)
	b.must(err)
	equal(b, "the other is listed", listed.Has(hidden), false)
	_, err = user.ListTopics(b.ctx, hidden)
	b.denied(err, kerr.TopicAuthorizationFailed)
	_, err = user.ListEndOffsets(b.ctx, open) // to read is to describe
	b.must(err)
}

func groupIsDenied(s Secured, b *bench) {
	topic, hidden, open := b.topic(1), b.name("group"), b.name("group")
	b.commit(hidden, topic, 0)
	b.commit(open, topic, 0)
	user := s.user(b)
	s.allow(b, kadm.NewACLs().Groups(open).Operations(kadm.OpDescribe), func() bool {
		listed, err := user.ListGroups(b.ctx)
		b.must(err)
		_, ok := listed[open]
		return ok
	})
	listed, err := user.ListGroups(b.ctx)
	b.must(err)
	_, ok := listed[hidden]
	equal(b, "the other is listed", ok, false)
	_, err = user.DescribeGroups(b.ctx, hidden)
	b.denied(err, kerr.GroupAuthorizationFailed)
	_, err = user.DeleteGroup(b.ctx, open)
	b.denied(err, kerr.GroupAuthorizationFailed)
}

func configsAreDenied(s Secured, b *bench) {
	topic := b.topic(1)
	user := s.user(b)
	s.allow(b, kadm.NewACLs().Topics(topic).Operations(kadm.OpDescribe), func() bool {
		listed, err := user.ListTopics(b.ctx)
		b.must(err)
		return listed.Has(topic)
	})
	described, err := user.DescribeTopicConfigs(b.ctx, topic)
	if err == nil {
		err = described[0].Err
	}
	b.denied(err, kerr.TopicAuthorizationFailed)
	wanted := kadm.TopicsSet{}
	wanted.Add(topic, 0)
	dirs, err := user.DescribeAllLogDirs(b.ctx, wanted)
	size := 0
	dirs.Each(func(dir kadm.DescribedLogDir) { size += len(dir.Topics); err = errors.Join(err, dir.Err) })
	equal(b, "topics whose size is told", size, 0)
	if err != nil { // both brokers say that it is denied; the client does not always
		b.denied(err, kerr.ClusterAuthorizationFailed)
	}
}

func changesAreDenied(s Secured, b *bench) {
	topic := b.topic(1)
	user := s.user(b)
	s.allow(b, kadm.NewACLs().Topics(topic).Operations(kadm.OpDescribe, kadm.OpDescribeConfigs), func() bool {
		described, err := user.DescribeTopicConfigs(b.ctx, topic)
		return err == nil && described[0].Err == nil
	})
	_, err := user.CreateTopic(b.ctx, 1, 1, nil, b.name("topic"))
	b.denied(err, kerr.TopicAuthorizationFailed)
	_, err = user.DeleteTopic(b.ctx, topic)
	b.denied(err, kerr.TopicAuthorizationFailed)
	value := "1000"
	answers, err := user.AlterTopicConfigs(b.ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.ms", Value: &value}}, topic)
	if err == nil {
		err = answers[0].Err
	}
	b.denied(err, kerr.TopicAuthorizationFailed)
}

// denied asserts that ACLs are the reason.
func (b *bench) denied(err, want error) {
	b.Helper()
	var auth *kadm.AuthError
	if !errors.Is(err, want) && (!errors.As(err, &auth) || !errors.Is(auth.Err, want)) {
		b.Fatalf("got error %v, want %v", err, want)
	}
}
