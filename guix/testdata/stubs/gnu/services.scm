;;; What certkeep.scm uses of Guix's (gnu services), for tests.

(define-module (gnu services)
  #:use-module (guix records)
  #:export (<service-type> service-type service-type? service-type-name service-type-extensions
            service-type-compose service-type-extend service-type-default-value
            service-extension service-extension-target service-extension-compute
            activation-service-type etc-service-type profile-service-type))

(define-record-type* <service-type>
  service-type make-service-type service-type?
  (name service-type-name)
  (extensions service-type-extensions)
  (compose service-type-compose (default #f))
  (extend service-type-extend (default #f))
  (default-value service-type-default-value (default #f))
  (description service-type-description))

(define service-extension cons)
(define service-extension-target car)
(define service-extension-compute cdr)

(define (root name) (service-type (name name) (extensions '()) (description "")))
(define activation-service-type (root 'activation))
(define etc-service-type (root 'etc))
(define profile-service-type (root 'profile))
