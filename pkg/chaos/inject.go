package chaos

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// rollbackTimeout bounds the clean-up after a failed or interrupted injection.
const rollbackTimeout = 10 * time.Second

// ErrChanged is wrapped when the routing changed between plan and injection.
var ErrChanged = errors.New("the routing has changed since the plan was made")

// Inject writes a plan: in every client namespace first the Job, then, once its deadline runs, the shadow. It returns
// the leases, one a namespace. When anything fails, or ctx ends, what was written is deleted before it returns; were the
// program killed instead, the Jobs' deadlines do it. Errors wrap [ErrSuspended] or [ErrChanged], or are the API's own.
func (c *Client) Inject(ctx context.Context, p *Plan) (_ []Lease, err error) {
	var written []*unstructured.Unstructured
	defer func() {
		if err != nil {
			err = errors.Join(err, c.rollback(ctx, written))
		}
	}()
	for _, s := range p.Shadows {
		job, err := c.at(jobs, s.Namespace).Create(ctx, s.Job, metav1.CreateOptions{FieldValidation: metav1.FieldValidationStrict})
		if err != nil {
			return nil, explain("create the Job in namespace "+s.Namespace, err)
		}
		written = append(written, job)
	}
	leases := make([]Lease, 0, len(p.Shadows))
	for i, s := range p.Shadows {
		lease, err := c.arm(ctx, s, written[i])
		if err != nil {
			return nil, err
		}
		leases = append(leases, lease)
	}
	return leases, nil
}

// arm creates the shadow of a namespace once its Job's deadline runs.
func (c *Client) arm(ctx context.Context, s *Shadow, job *unstructured.Unstructured) (Lease, error) {
	job, err := c.awaitStart(ctx, job)
	if err != nil {
		return Lease{}, err
	}
	if err := c.checkUnchanged(ctx, s); err != nil {
		return Lease{}, err
	}
	shadow := &Shadow{Namespace: s.Namespace, Job: job, VirtualService: s.VirtualService.DeepCopy(), Source: s.Source}
	shadow.own(job.GetUID())
	shadow.expire(deadline(job))
	vs, err := c.at(virtualServices, s.Namespace).Create(ctx, shadow.VirtualService, metav1.CreateOptions{FieldValidation: metav1.FieldValidationStrict})
	if err != nil {
		return Lease{}, explain("create the VirtualService in namespace "+s.Namespace, err)
	}
	if err := c.checkUnchanged(ctx, s); err != nil {
		return Lease{}, err
	}
	return newLease(job, vs, time.Now()), nil
}

// awaitStart returns the Job once its deadline runs.
func (c *Client) awaitStart(ctx context.Context, job *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	late := fmt.Errorf("the Job %s/%s was not started within %v: is the cluster's Job controller running?", job.GetNamespace(), job.GetName(), c.options.Start)
	ctx, cancel := context.WithTimeoutCause(ctx, c.options.Start, late)
	defer cancel()
	err := c.await(ctx, jobs, job.GetNamespace(), job.GetName(), func(now *unstructured.Unstructured) (bool, error) {
		if now == nil || now.GetUID() != job.GetUID() {
			return false, fmt.Errorf("the Job %s/%s was deleted by someone else", job.GetNamespace(), job.GetName())
		}
		if suspended, _, _ := unstructured.NestedBool(now.Object, "spec", "suspend"); suspended {
			return false, fmt.Errorf("start the Job in namespace %s: %w", job.GetNamespace(), ErrSuspended)
		}
		job = now
		return !deadline(now).IsZero(), nil
	})
	if err != nil && errors.Is(context.Cause(ctx), late) {
		return nil, late
	}
	return job, err
}

// checkUnchanged holds the source against what the plan was made from.
func (c *Client) checkUnchanged(ctx context.Context, s *Shadow) error {
	if s.Source == nil {
		return nil
	}
	now, err := c.at(virtualServices, s.Source.GetNamespace()).Get(ctx, s.Source.GetName(), metav1.GetOptions{})
	if err != nil {
		return explain("read VirtualService "+s.Source.GetNamespace()+"/"+s.Source.GetName()+" again", err)
	}
	if now.GetUID() != s.Source.GetUID() || now.GetGeneration() != s.Source.GetGeneration() {
		return fmt.Errorf("%w: VirtualService %s/%s", ErrChanged, now.GetNamespace(), now.GetName())
	}
	return nil
}

// rollback deletes the Jobs that were written and the shadows that may have been, though ctx may have ended. A shadow that
// is written later still, by a request that was given up, has no owner any more and is collected.
func (c *Client) rollback(ctx context.Context, written []*unstructured.Unstructured) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
	defer cancel()
	var errs []error
	for _, job := range written {
		err := c.at(virtualServices, job.GetNamespace()).Delete(ctx, job.GetName(), metav1.DeleteOptions{})
		if apierrors.IsNotFound(err) {
			err = nil
		}
		if err = errors.Join(err, c.remove(ctx, jobs, job)); err != nil {
			errs = append(errs, fmt.Errorf("roll back (the deadline will do it): %w", err))
		}
	}
	return errors.Join(errs...)
}

// deadline returns when a Job's lease ends, zero while its deadline does not run.
func deadline(job *unstructured.Unstructured) time.Time {
	text, _, _ := unstructured.NestedString(job.Object, "status", "startTime")
	start, err := time.Parse(time.RFC3339, text)
	seconds, limited, _ := unstructured.NestedInt64(job.Object, "spec", "activeDeadlineSeconds")
	if err != nil || !limited {
		return time.Time{}
	}
	return start.Add(time.Duration(seconds) * time.Second)
}
