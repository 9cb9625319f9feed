;;; What certkeep.scm uses of Guix's (gnu services shepherd), for tests.

(define-module (gnu services shepherd)
  #:use-module (gnu services)
  #:use-module (guix records)
  #:export (shepherd-root-service-type
            shepherd-service shepherd-service? shepherd-service-provision shepherd-service-requirement
            shepherd-service-modules shepherd-service-one-shot? shepherd-service-start shepherd-service-stop shepherd-service-actions
            shepherd-action shepherd-action-name shepherd-action-procedure shepherd-trigger-action))

(define shepherd-root-service-type
  (service-type (name 'shepherd-root) (extensions '()) (description "")))

(define-record-type* <shepherd-service>
  shepherd-service make-shepherd-service shepherd-service?
  (documentation shepherd-service-documentation (default "[No documentation.]"))
  (provision shepherd-service-provision)
  (requirement shepherd-service-requirement (default '()))
  (one-shot? shepherd-service-one-shot? (default #f))
  (start shepherd-service-start)
  (stop shepherd-service-stop (default #f))
  (actions shepherd-service-actions (default '()))
  (modules shepherd-service-modules (default '())))

(define-record-type* <shepherd-action>
  shepherd-action make-shepherd-action shepherd-action?
  (name shepherd-action-name)
  (procedure shepherd-action-procedure)
  (documentation shepherd-action-documentation (default "[No documentation.]")))

(define shepherd-trigger-action
  (shepherd-action (name 'trigger) (procedure #f)))
