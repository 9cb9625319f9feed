;;; What certkeep.scm uses of Guix's (gnu services web), for tests, and the text
;;; that nginx gets of it.

(define-module (gnu services web)
  #:use-module (gnu services)
  #:use-module (guix records)
  #:use-module (ice-9 format)
  #:export (nginx-service-type
            nginx-server-configuration nginx-server-configuration?
            nginx-location-configuration nginx-location-configuration?
            nginx-server->text))

(define nginx-service-type
  (service-type (name 'nginx) (extensions '()) (description "")))

(define-record-type* <nginx-location-configuration>
  nginx-location-configuration make-nginx-location-configuration nginx-location-configuration?
  (uri location-uri (default #f))
  (body location-body))

(define-record-type* <nginx-server-configuration>
  nginx-server-configuration make-nginx-server-configuration nginx-server-configuration?
  (listen server-listen (default '("80" "443 ssl")))
  (server-name server-server-name (default '(default)))
  (root server-root (default "/srv/http"))
  (locations server-locations (default '()))
  (ssl-certificate server-ssl-certificate (default #f))
  (ssl-certificate-key server-ssl-certificate-key (default #f)))

(define (nginx-server->text server)
  (format #f "server {~{ listen ~a;~} server_name~{ ~a~}; root ~a;~{~a~} }~%"
          (server-listen server) (server-server-name server) (server-root server)
          (map (lambda (location)
                 (format #f " location ~a {~{ ~a~} }" (location-uri location) (location-body location)))
               (server-locations server))))
