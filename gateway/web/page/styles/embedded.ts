import './embedded.css';
