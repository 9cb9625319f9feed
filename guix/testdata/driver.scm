;;; Reads a service of certkeep.scm against the stubs and writes what Guix would
;;; make of it: guile -L stubs -L .. driver.scm TYPE FILE, with an expression of
;;; a configuration in FILE, and STUB_STORE for what is written.

(use-modules (gnu services) (gnu services shepherd) (gnu services web)
             (guix gexp) (certkeep) (ice-9 match) (ice-9 format)
             (srfi srfi-1) (srfi srfi-34) (srfi srfi-35))

(define (store name) (string-append (getenv "STUB_STORE") "/" name))

(define (write-out name text) (call-with-output-file (store name) (lambda (port) (display text port))))

(define (shepherd->form service)
  (lower-form (list (append (shepherd-service-provision service) (if (shepherd-service-one-shot? service) '(one-shot) '()))
                    (shepherd-service-requirement service)
                    (shepherd-service-start service) (shepherd-service-stop service)
                    (map (lambda (action) (list (shepherd-action-name action) (shepherd-action-procedure action)))
                         (shepherd-service-actions service)))))

(define (expand type config)
  (for-each
   (lambda (extension)
     (let ((value ((service-extension-compute extension) config)))
       (match (service-type-name (service-extension-target extension))
         ('nginx (write-out "nginx.conf" (string-concatenate (map nginx-server->text value))))
         ('activation (write-out "activation.scm" (format #f "~s~%" (lower-form value))))
         ('shepherd-root (write-out "shepherd.scm" (format #f "~s~%" (map shepherd->form value))))
         ('etc (write-out "etc" (format #f "~{~{~a ~a~}~%~}" (map (match-lambda ((name file) (list name (lower file)))) value))))
         ('profile (write-out "profile" (format #f "~{~a~%~}" (map (lambda (package) (if (string? package) package (lower package))) value)))))))
   (service-type-extensions type)))

(define (describe condition)
  (if (message-condition? condition)
      (format (current-error-port) "error: ~a~%" (condition-message condition))
      (format (current-error-port) "unclear: ~s~%" condition))
  (exit 1))

(match (command-line)
  ((_ kind file)
   (guard (condition (else (describe condition)))
     (let* ((type (if (string=? kind "standalone") certkeep-standalone-service-type certkeep-service-type))
            (value (eval (call-with-input-file file read) (current-module)))
            ;; A list is a configuration, and what other services add to it.
            (config (match value
                      ((config . more) ((service-type-extend type) config ((service-type-compose type) more)))
                      (config config))))
       (expand type config)))))
